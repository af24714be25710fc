//! MIME types (MIME Sniffing Standard).

/// Parameters of a MIME type that are looked at: each is compared with all before it.
const MAX_PARAMETERS: usize = 1000;

/// MIME Sniffing Standard, "parse a MIME type" and "serialize a MIME type": names in lower case, no superfluous white
/// space. `None` for what is no MIME type.
pub(super) fn mime_type(text: &str) -> Option<String> {
    let is_token = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
    };
    let space = ['\t', '\n', '\r', ' '];
    let text = text.trim_matches(space);
    let (essence, mut rest) = text.split_once(';').unwrap_or((text, ""));
    let (kind, subtype) = essence.trim_end_matches(space).split_once('/')?;
    if !is_token(kind) || !is_token(subtype) {
        return None;
    }
    let mut parsed = format!("{}/{}", kind.to_ascii_lowercase(), subtype.to_ascii_lowercase());
    let mut seen: Vec<String> = Vec::new();
    while !rest.is_empty() && seen.len() < MAX_PARAMETERS {
        rest = rest.trim_start_matches(space);
        let end = rest.find([';', '=']).unwrap_or(rest.len());
        let name = rest[..end].to_ascii_lowercase();
        rest = &rest[end..];
        let Some(after) = rest.strip_prefix('=') else {
            rest = rest.strip_prefix(';').unwrap_or("");
            continue;
        };
        let mut value = String::new();
        if let Some(quoted) = after.strip_prefix('"') {
            let mut characters = quoted.char_indices();
            let mut end = quoted.len();
            while let Some((at, character)) = characters.next() {
                match character {
                    '"' => {
                        end = at;
                        break;
                    }
                    '\\' => value.push(characters.next().map_or('\\', |(_, escaped)| escaped)),
                    character => value.push(character),
                }
            }
            rest = quoted[end..].split_once(';').map_or("", |(_, rest)| rest);
        } else {
            let (plain, more) = after.split_once(';').unwrap_or((after, ""));
            rest = more;
            value.push_str(plain.trim_end_matches(space));
            if value.is_empty() {
                continue;
            }
        }
        let is_quotable = |character: char| matches!(character, '\t' | ' '..='~' | '\u{80}'..='\u{ff}');
        if !is_token(&name) || !value.chars().all(is_quotable) || seen.contains(&name) {
            continue;
        }
        parsed.push(';');
        parsed.push_str(&name);
        parsed.push('=');
        if is_token(&value) {
            parsed.push_str(&value);
        } else {
            parsed.push('"');
            for character in value.chars() {
                if matches!(character, '"' | '\\') {
                    parsed.push('\\');
                }
                parsed.push(character);
            }
            parsed.push('"');
        }
        seen.push(name);
    }
    Some(parsed)
}

#[cfg(test)]
mod tests {
    use super::mime_type;

    #[test]
    fn mime_types_are_normalized() {
        let cases = [
            ("Text/X; A=B", Some("text/x;a=B")),
            ("nope", None),
            ("", None),
            ("a/", None),
            ("a b/c", None),
            (" text/plain\t", Some("text/plain")),
            ("text/plain ; charset=UTF-8", Some("text/plain;charset=UTF-8")),
            ("a/b;c", Some("a/b")),
            ("a/b;c=", Some("a/b")),
            ("a/b;c=;d=e", Some("a/b;d=e")),
            ("a/b;c=1;C=2", Some("a/b;c=1")),
            ("a/b;c=\"x y\"; d=z", Some("a/b;c=\"x y\";d=z")),
            ("a/b;c=\"x\\\"y\"", Some("a/b;c=\"x\\\"y\"")),
            ("a/b;c=\"plain\"", Some("a/b;c=plain")),
            ("a/b;c=\"\"", Some("a/b;c=\"\"")),
            ("a/b;c=\"open", Some("a/b;c=open")),
            ("a/b;;;c=d", Some("a/b;c=d")),
        ];
        for (text, expected) in cases {
            assert_eq!(mime_type(text).as_deref(), expected, "{text}");
        }
    }
}
