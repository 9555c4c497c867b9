//! Hosts and ports as they are written in configurations.

/// `NAME://host:port`: the name in capitals, the host (empty: every interface; an IPv6 address without brackets) and
/// the port.
///
/// # Errors
///
/// What it must be, as the second half of a sentence.
pub(super) fn listener(text: &str) -> Result<(String, String, u16), String> {
    const FORM: &str = "must be NAME://host:port, PLAINTEXT://localhost:9092 for example";
    let (name, rest) = text.split_once("://").ok_or(FORM)?;
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')) {
        return Err(FORM.to_owned());
    }
    let (host, port) = host_and_port(rest).ok_or_else(|| match rest.rsplit_once(':') {
        Some((_, port)) if port.parse::<i64>().is_ok() && port.parse::<u16>().is_err() => {
            "must have a port between 0 and 65535".to_owned()
        }
        _ => FORM.to_owned(),
    })?;
    Ok((name.to_ascii_uppercase(), host, port))
}

/// `host:port`, or `[IPv6]:port`; the host may be empty.
pub(super) fn host_and_port(text: &str) -> Option<(String, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let port = port.parse().ok()?;
    let host = match host.strip_prefix('[') {
        Some(inner) => inner.strip_suffix(']')?,
        None if host.contains(':') => return None,
        None => host,
    };
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | ':' | '%');
    host.chars().all(good).then(|| (host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        assert_eq!(listener("plaintext://:9092"), Ok(("PLAINTEXT".into(), String::new(), 9092)));
        assert_eq!(listener("IN://[::1]:0"), Ok(("IN".into(), "::1".into(), 0)));
        assert_eq!(listener("A_B://h-1.x.y:1"), Ok(("A_B".into(), "h-1.x.y".into(), 1)));
        for wrong in
            ["localhost:9092", "A://localhost", "A://::1:9092", "://x:1", "A://x y:1", "A://[::1:9092", "A b://x:1"]
        {
            assert!(listener(wrong).is_err(), "{wrong}");
        }
        assert!(listener("A://x:70000").unwrap_err().contains("65535"));
        assert_eq!(host_and_port("c1:9093"), Some(("c1".into(), 9093)));
    }
}
