//! End-to-end tests on any Kubernetes.
