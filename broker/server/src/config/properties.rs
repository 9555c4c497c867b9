//! Java's properties format, as `java.util.Properties.load` reads it.
//!
//! One difference: a file that is valid UTF-8 is read as UTF-8 (Java takes every file as Latin-1, which garbles what
//! an editor writes today); any other file is read as Latin-1.

use std::borrow::Cow;

/// One `key=value` of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Property {
    /// The line where the key starts, counted from 1.
    pub line: usize,
    /// Without escapes.
    pub key: String,
    /// Without escapes; empty when there is only a key.
    pub value: String,
}

/// A line that is no property.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: malformed \\uxxxx escape: four hexadecimal digits must follow \\u (write \\\\ for a backslash)")]
pub struct PropertiesError {
    /// Where the key starts, counted from 1.
    pub line: usize,
}

/// Reads a whole file. A key that comes twice comes twice in the answer; the last one counts.
///
/// # Errors
///
/// A `\u` that four hexadecimal digits do not follow.
pub fn parse(bytes: &[u8]) -> Result<Vec<Property>, PropertiesError> {
    let text: Cow<'_, str> = match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(bytes.iter().copied().map(char::from).collect()),
    };
    logical_lines(&text).into_iter().filter_map(|(line, text)| property(line, &text).transpose()).collect()
}

/// Lines without comments and blank ones; a line that ends in an odd number of backslashes goes on in the next,
/// without that one's leading blanks.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines = Vec::new();
    let mut open: Option<(usize, String)> = None;
    // A lone carriage return ends a line too; after \r\n an empty line follows, which changes nothing except the
    // count, so that pair is folded first.
    let folded = text.replace("\r\n", "\n").replace('\r', "\n");
    for (nth, natural) in folded.split('\n').enumerate() {
        let stripped = natural.trim_start_matches(is_blank);
        let (start, mut whole) = match open.take() {
            Some(unfinished) => unfinished,
            None if stripped.is_empty() || stripped.starts_with(['#', '!']) => continue,
            None => (nth + 1, String::new()),
        };
        let backslashes = stripped.len() - stripped.trim_end_matches('\\').len();
        if backslashes % 2 == 1 {
            whole.push_str(&stripped[..stripped.len() - 1]);
            open = Some((start, whole));
        } else {
            whole.push_str(stripped);
            lines.push((start, whole));
        }
    }
    lines.extend(open);
    lines
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\u{c}')
}

fn property(line: usize, text: &str) -> Result<Option<Property>, PropertiesError> {
    if text.is_empty() {
        return Ok(None);
    }
    let mut end_of_key = text.len();
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        if escaped {
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if is_blank(c) || c == '=' || c == ':' {
            end_of_key = at;
            break;
        }
    }
    // The separator: blanks, at most one = or :, blanks.
    let mut value = text[end_of_key..].trim_start_matches(is_blank);
    if let Some(rest) = value.strip_prefix(['=', ':']) {
        value = rest.trim_start_matches(is_blank);
    }
    Ok(Some(Property { line, key: unescape(line, &text[..end_of_key])?, value: unescape(line, value)? }))
}

fn unescape(line: usize, text: &str) -> Result<String, PropertiesError> {
    // Java's strings are UTF-16: a pair of escapes may be one character.
    let mut units = Vec::with_capacity(text.len());
    let mut chars = text.chars();
    let mut buffer = [0u16; 2];
    while let Some(c) = chars.next() {
        if c != '\\' {
            units.extend_from_slice(c.encode_utf16(&mut buffer));
            continue;
        }
        match chars.next() {
            None => {}
            Some('t') => units.push(u16::from(b'\t')),
            Some('n') => units.push(u16::from(b'\n')),
            Some('r') => units.push(u16::from(b'\r')),
            Some('f') => units.push(0xc),
            Some('u') => {
                let mut unit: u32 = 0;
                for _ in 0..4 {
                    let digit = chars.next().and_then(|digit| digit.to_digit(16)).ok_or(PropertiesError { line })?;
                    unit = unit << 4 | digit;
                }
                units.push(unit as u16);
            }
            Some(other) => units.extend_from_slice(other.encode_utf16(&mut buffer)),
        }
    }
    Ok(String::from_utf16_lossy(&units))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(usize, String, String)> {
        parse(text.as_bytes()).unwrap().into_iter().map(|p| (p.line, p.key, p.value)).collect()
    }

    fn one(text: &str) -> (String, String) {
        let mut all = pairs(text);
        assert_eq!(all.len(), 1, "{all:?}");
        let (_, key, value) = all.remove(0);
        (key, value)
    }

    #[test]
    fn separators() {
        for text in ["a=b", "a:b", "a b", "  a = b", "a\t:\tb", "a   b", "a= b"] {
            assert_eq!(one(text), ("a".into(), "b".into()), "{text:?}");
        }
        assert_eq!(one("a==b"), ("a".into(), "=b".into()));
        assert_eq!(one("a : = b"), ("a".into(), "= b".into()));
        assert_eq!(one("a"), ("a".into(), String::new()));
        assert_eq!(one("a b "), ("a".into(), "b ".into()), "blanks at the end belong to the value");
        assert_eq!(one("listeners=PLAINTEXT://:9092"), ("listeners".into(), "PLAINTEXT://:9092".into()));
        assert_eq!(one("=b"), (String::new(), "b".into()));
    }

    #[test]
    fn comments_and_blank_lines() {
        assert_eq!(pairs("# c\n  ! c\n\n \t\na=#b\n"), [(5, "a".into(), "#b".into())]);
        assert_eq!(
            pairs("# not continued \\\na=b"),
            [(2, "a".into(), "b".into())],
            "a comment does not go on in the next line"
        );
    }

    #[test]
    fn continuation() {
        assert_eq!(
            pairs("a=1,\\\n   2,\\\r\n\t3\nb=\\\\\nc=d\\\\\\\ne"),
            [(1, "a".into(), "1,2,3".into()), (4, "b".into(), "\\".into()), (5, "c".into(), "d\\e".into())]
        );
        assert_eq!(one("a=b\\"), ("a".into(), "b".into()), "the file ends in the middle");
        assert_eq!(one("a=b\\\n# no comment"), ("a".into(), "b# no comment".into()));
        assert_eq!(one("a=b\\\n\nc=d".split("\n\n").next().unwrap()), ("a".into(), "b".into()));
    }

    #[test]
    fn escapes() {
        assert_eq!(one(r"a\ b\=\:c = d\te\u0041\x\\"), ("a b=:c".into(), "d\teAx\\".into()));
        assert_eq!(one(r"a=\ b"), ("a".into(), " b".into()));
        assert_eq!(one(r"a=\ud83d\ude00"), ("a".into(), "😀".into()));
        assert_eq!(parse(b"x=1\na=\\u00g1").unwrap_err().line, 2);
        assert_eq!(parse(b"a=\\u12").unwrap_err().line, 1);
    }

    #[test]
    fn utf_8_else_latin_1() {
        assert_eq!(one("a=é"), ("a".into(), "é".into()));
        let latin = parse(b"a=\xe9").unwrap();
        assert_eq!(latin[0].value, "é");
    }
}
