//! Which image of the broker runs. Pure.

use odradek_crds::KafkaCluster;

/// The image to run, and its release.
pub fn image(cluster: &KafkaCluster, default_image: &str) -> (String, String) {
    let spec = &cluster.spec;
    let image = match (&spec.image, &spec.version) {
        (Some(image), _) => image.clone(),
        (None, Some(version)) => format!("{}:{version}", untagged(default_image)),
        (None, None) => default_image.to_owned(),
    };
    let tag = image.split('@').next().and_then(|i| i.strip_prefix(untagged(&image)));
    let tag = tag.and_then(|tag| tag.strip_prefix(':')).unwrap_or("latest");
    let version = spec.version.clone().unwrap_or_else(|| tag.to_owned());
    (image, version)
}

/// An image without its tag and digest. A colon before the last slash is that of a port.
fn untagged(image: &str) -> &str {
    let image = image.split('@').next().unwrap_or(image);
    match image.rfind(':') {
        Some(colon) if !image[colon..].contains('/') => &image[..colon],
        _ => image,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::fixtures::cluster;

    #[test]
    fn images_and_versions() {
        let of = |spec: &str, default: &str| image(&cluster(spec), default);
        let pair = |image: &str, version: &str| (image.to_owned(), version.to_owned());
        assert_eq!(of("{}", "registry:5000/odradek/broker:dev"), pair("registry:5000/odradek/broker:dev", "dev"));
        assert_eq!(of("{}", "registry:5000/broker"), pair("registry:5000/broker", "latest"));
        assert_eq!(of("version: 1.2.3", "registry:5000/b:dev"), pair("registry:5000/b:1.2.3", "1.2.3"));
        assert_eq!(of("image: my/own:7@sha256:00", "x:dev"), pair("my/own:7@sha256:00", "7"));
    }
}
