//! Other people's words, made fit for one of our lines.

/// Longest part of a worker's own words in a log line, in characters.
const MAX_QUOTE: usize = 300;

/// What further lines of a text of the supervisor's begin with, and lines of tenants that begin like one of its own.
pub(crate) const INDENTATION: &str = "    ";

/// Makes a worker's words fit for one line.
pub(crate) fn quote(text: &str) -> String {
    let mut quoted: String =
        text.chars().take(MAX_QUOTE).map(|c| if c.is_control() || c == '\u{2028}' { ' ' } else { c }).collect();
    if text.chars().nth(MAX_QUOTE).is_some() {
        quoted.push('…');
    }
    quoted
}

/// Text of the supervisor's that may quote tenants: each line but the first is indented, and control characters are made
/// visible.
pub fn own_text(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for (index, line) in lines(text.trim_end()).enumerate() {
        if index > 0 {
            clean.push('\n');
            // Places are indented as it is, in the reference's way.
            if !line.is_empty() && !line.starts_with([' ', '\t']) {
                clean.push_str(INDENTATION);
            }
        }
        make_visible(line, false, &mut clean);
    }
    clean
}

/// The lines of a text, which end with a line feed or with both characters.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line))
}

/// Characters that take no room.
pub(crate) fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

pub(crate) const ESCAPE: char = '\u{1b}';

/// The length of the sequence at the beginning of `text` that sets colours and fonts (ECMA-48, 8.3.117 SGR), if there is
/// one.
pub(crate) fn color_sequence(text: &str) -> Option<usize> {
    let parameters = text.strip_prefix("\u{1b}[")?;
    let length = parameters.bytes().position(|byte| !matches!(byte, b'0'..=b'9' | b';' | b':'))?;
    (parameters.as_bytes()[length] == b'm').then_some(length + 3)
}

/// Adds a line to `clean`. Tabs stay; other control characters, which could steer the terminal of whoever reads the log,
/// become visible, and so do characters that end a line or turn the direction of writing. With `colors` what sets colours
/// stays.
pub(crate) fn make_visible(line: &str, colors: bool, clean: &mut String) {
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        if colors && let Some(length) = color_sequence(rest) {
            clean.push_str(&rest[..length]);
            rest = &rest[length..];
            continue;
        }
        match c {
            '\t' => clean.push('\t'),
            '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => clean.extend(c.escape_unicode()),
            c if c.is_control() => clean.extend(c.escape_unicode()),
            c => clean.push(c),
        }
        rest = &rest[c.len_utf8()..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_one_bounded_line() {
        assert_eq!(quote("a\r\n\u{1b}[31mb"), "a   [31mb");
        assert_eq!(quote(&"é".repeat(1000)).chars().count(), MAX_QUOTE + 1);
    }
}
