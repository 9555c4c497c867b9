//! Kubernetes quantities, as far as volumes need them.

/// The value of a quantity such as `100Gi`, in thousandths of a byte so that `1.5k` and `100m` are
/// whole. Nothing if it is no quantity.
pub fn milli_bytes(text: &str) -> Option<u128> {
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at(split);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.len() > 9 {
        return None;
    }
    let scale = 10u128.pow(fraction.len() as u32);
    let digits: u128 = format!("{whole}{fraction}").parse().ok()?;
    let unit: u128 = match suffix {
        "m" => 1,
        "" => 1000,
        "k" => 1000 * 1000,
        "M" => 1000 * 1000u128.pow(2),
        "G" => 1000 * 1000u128.pow(3),
        "T" => 1000 * 1000u128.pow(4),
        "P" => 1000 * 1000u128.pow(5),
        "E" => 1000 * 1000u128.pow(6),
        "Ki" => 1000 * 1024,
        "Mi" => 1000 * 1024u128.pow(2),
        "Gi" => 1000 * 1024u128.pow(3),
        "Ti" => 1000 * 1024u128.pow(4),
        "Pi" => 1000 * 1024u128.pow(5),
        "Ei" => 1000 * 1024u128.pow(6),
        _ => return None,
    };
    Some(digits.checked_mul(unit)? / scale)
}

#[cfg(test)]
mod tests {
    use super::milli_bytes;

    #[test]
    fn reads_quantities() {
        assert_eq!(milli_bytes("1Ki"), Some(1_024_000));
        assert_eq!(milli_bytes("1.5k"), Some(1_500_000));
        assert_eq!(milli_bytes("100m"), Some(100));
        assert_eq!(milli_bytes("7"), Some(7000));
        assert!(milli_bytes("10Gi") > milli_bytes("10G"));
        assert_eq!(milli_bytes("10 Gi"), None);
        assert_eq!(milli_bytes("Gi"), None);
        assert_eq!(milli_bytes("1.2.3"), None);
    }
}
