//! Characters to tokens, one at a time.

use crate::config::diagnostics::{Place, Reporter, Span};

/// A token and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) span: Span,
}

/// The kinds of token.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum TokenKind {
    Identifier(String),
    /// `"…"`, or a backtick and the rest of the line: bytes, because escapes can write any.
    Text(Vec<u8>),
    /// `0x"…"`
    Data(Vec<u8>),
    Integer(u64),
    Float(f64),
    /// Anything that stands for itself.
    Punctuation(char),
    End,
}

/// Stands for something that has been reported.
pub(super) const UNKNOWN: char = '\u{fffd}';

/// Reads tokens from a text. What is no token is reported and skipped.
pub(super) struct Lexer<'a> {
    file: u32,
    text: &'a str,
    at: usize,
    /// A text has just ended where its line did. What follows it is not what was meant.
    broken_off: bool,
}

impl<'a> Lexer<'a> {
    /// Begins at the start of the text, after a byte-order mark.
    pub(super) fn new(file: u32, text: &'a str) -> Self {
        Self { file, text, at: if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 }, broken_off: false }
    }

    fn span(&self, start: usize) -> Span {
        Span { file: self.file, start: start as u32, end: self.at as u32 }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn peek_after(&self, offset: usize) -> Option<u8> {
        self.text.as_bytes().get(self.at + offset).copied()
    }

    fn take_while(&mut self, accept: impl Fn(u8) -> bool) -> &'a str {
        let start = self.at;
        while self.peek().is_some_and(&accept) {
            self.at += 1;
        }
        &self.text[start..self.at]
    }

    /// The next token; `End` again and again at the end.
    pub(super) fn next(&mut self, reporter: &mut Reporter) -> Token {
        if std::mem::take(&mut self.broken_off) {
            return Token { kind: TokenKind::Punctuation(UNKNOWN), span: self.span(self.at) };
        }
        loop {
            self.take_while(|byte| byte.is_ascii_whitespace() || byte == 0x0b);
            if self.peek() != Some(b'#') {
                break;
            }
            self.take_while(|byte| byte != b'\n');
        }
        let start = self.at;
        let Some(byte) = self.peek() else {
            return Token { kind: TokenKind::End, span: self.span(start) };
        };
        let kind = match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => {
                TokenKind::Identifier(self.take_while(|byte| byte.is_ascii_alphanumeric() || byte == b'_').to_owned())
            }
            b'0'..=b'9' => self.number(start, reporter),
            b'"' => TokenKind::Text(self.quoted(start, reporter)),
            b'`' => TokenKind::Text(self.block()),
            b'(' | b')' | b'[' | b']' | b'{' | b'}' | b',' | b';' | b'=' | b':' | b'.' | b'@' | b'$' | b'-' | b'+'
            | b'*' | b'/' | b'<' | b'>' | b'!' | b'&' | b'|' | b'%' | b'^' | b'~' | b'?' => {
                self.at += 1;
                TokenKind::Punctuation(char::from(byte))
            }
            _ => {
                let wrong = self.text[start..].chars().next().unwrap_or('\u{fffd}');
                self.at += wrong.len_utf8();
                if let Some(text) = self.foreign_quotes(wrong) {
                    let message = "text stands between double quotes: \"…\"";
                    reporter.error(Place::Span(self.span(start)), message);
                    TokenKind::Text(text.into())
                } else {
                    // One message for a run of characters that mean nothing, and a placeholder for what was meant.
                    while let Some(next) = self.text[self.at..].chars().next().filter(|next| !next.is_ascii()) {
                        self.at += next.len_utf8();
                    }
                    reporter
                        .error(Place::Span(self.span(start)), format!("the character {wrong:?} means nothing here"));
                    TokenKind::Punctuation(UNKNOWN)
                }
            }
        };
        Token { kind, span: self.span(start) }
    }

    /// What stands between quotes of another kind, to the end of the line at most.
    fn foreign_quotes(&mut self, open: char) -> Option<&'a str> {
        let close = match open {
            '\'' => open,
            '“' | '”' => '”',
            '‘' | '’' => '’',
            _ => return None,
        };
        let line = self.text[self.at..].split('\n').next().unwrap_or_default();
        let inside = &line[..line.find(close)?];
        self.at += inside.len() + close.len_utf8();
        Some(inside)
    }

    fn number(&mut self, start: usize, reporter: &mut Reporter) -> TokenKind {
        let radix_prefix = self.peek() == Some(b'0') && matches!(self.peek_after(1), Some(b'x' | b'X'));
        if radix_prefix && self.peek_after(2) == Some(b'"') {
            self.at += 2;
            return TokenKind::Data(self.hex_bytes(start, reporter));
        }
        let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let mut float = false;
        if radix_prefix {
            self.take_while(word);
        } else {
            self.take_while(|byte| byte.is_ascii_digit());
            if self.peek() == Some(b'.') && !self.peek_after(1).is_some_and(|byte| byte.is_ascii_alphabetic()) {
                float = true;
                self.at += 1;
                self.take_while(|byte| byte.is_ascii_digit());
            }
            if matches!(self.peek(), Some(b'e' | b'E')) {
                float = true;
                self.at += 1;
                if matches!(self.peek(), Some(b'+' | b'-')) {
                    self.at += 1;
                }
            }
            self.take_while(word);
        }
        let digits = &self.text[start..self.at];
        let place = Place::Span(self.span(start));
        if float {
            return match digits.parse() {
                Ok(value) => TokenKind::Float(value),
                Err(_) => {
                    reporter.error(place, format!("`{digits}` is not a number"));
                    TokenKind::Float(0.0)
                }
            };
        }
        let parsed = if radix_prefix {
            u64::from_str_radix(&digits[2..], 16)
        } else if digits.len() > 1 && digits.starts_with('0') {
            u64::from_str_radix(&digits[1..], 8)
        } else {
            digits.parse()
        };
        match parsed {
            Ok(value) => TokenKind::Integer(value),
            Err(error) => {
                if matches!(error.kind(), std::num::IntErrorKind::PosOverflow) {
                    reporter.error(place, format!("`{digits}` is larger than any integer type can hold"));
                } else if digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit()) {
                    reporter.error_with_help(
                        place,
                        format!("`{digits}` is not a number"),
                        "a number that begins with 0 is octal, and has digits from 0 to 7 only",
                    );
                } else {
                    reporter.error(place, format!("`{digits}` is not a number"));
                }
                TokenKind::Integer(0)
            }
        }
    }

    /// The rest of the line after a backtick. Nothing in it is an escape, and its line end is part of it: a line feed,
    /// however it is written.
    fn block(&mut self) -> Vec<u8> {
        self.at += 1;
        let mut bytes = self.take_while(|byte| !matches!(byte, b'\n' | b'\r')).as_bytes().to_vec();
        if self.peek() == Some(b'\r') {
            self.at += 1;
        }
        if self.peek() == Some(b'\n') {
            self.at += 1;
        }
        bytes.push(b'\n');
        bytes
    }

    /// Whether the token at `span` is a text that begins with a backtick.
    pub(super) fn is_block(&self, span: Span) -> bool {
        self.text.as_bytes().get(span.start as usize) == Some(&b'`')
    }

    /// The bytes of `"…"`.
    fn quoted(&mut self, start: usize, reporter: &mut Reporter) -> Vec<u8> {
        self.at += 1;
        let mut bytes = Vec::new();
        loop {
            bytes.extend_from_slice(self.take_while(|byte| !matches!(byte, b'"' | b'\\' | b'\n')).as_bytes());
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return bytes;
                }
                Some(b'\\') => self.escape(&mut bytes, reporter),
                _ => {
                    reporter.error_with_help(
                        Place::Span(self.span(start)),
                        "this text has no end on its line",
                        "close it with a double quote; \\n is a line break, and texts beside each other are one text",
                    );
                    self.broken_off = true;
                    return bytes;
                }
            }
        }
    }

    fn escape(&mut self, bytes: &mut Vec<u8>, reporter: &mut Reporter) {
        let start = self.at;
        self.at += 1;
        let Some(letter) = self.text[self.at..].chars().next() else { return };
        let simple = match letter {
            'a' => 0x07,
            'b' => 0x08,
            'f' => 0x0c,
            'n' => b'\n',
            'r' => b'\r',
            't' => b'\t',
            'v' => 0x0b,
            '\'' | '"' | '\\' | '?' => letter as u8,
            '0'..='7' => {
                let mut value = 0u16;
                for _ in 0..3 {
                    let Some(digit @ b'0'..=b'7') = self.peek() else { break };
                    value = value * 8 + u16::from(digit - b'0');
                    self.at += 1;
                }
                if value > 255 {
                    reporter.error(Place::Span(self.span(start)), "this escape is more than one byte can hold");
                }
                bytes.push(value as u8);
                return;
            }
            'x' => {
                self.at += 1;
                let digits =
                    self.text.as_bytes().get(self.at..self.at + 2).and_then(|two| std::str::from_utf8(two).ok());
                match digits.filter(|two| two.bytes().all(|byte| byte.is_ascii_hexdigit())) {
                    Some(two) => {
                        bytes.push(u8::from_str_radix(two, 16).unwrap_or_default());
                        self.at += 2;
                    }
                    None => reporter.error(Place::Span(self.span(start)), "`\\x` needs two hexadecimal digits"),
                }
                return;
            }
            '\n' => {
                // The text ends here; its own message follows.
                reporter.error(Place::Span(self.span(start)), "a text cannot go on in the next line");
                return;
            }
            _ => {
                self.at += letter.len_utf8();
                reporter.error_with_help(
                    Place::Span(self.span(start)),
                    format!("`\\{letter}` is no escape"),
                    "there are \\a \\b \\f \\n \\r \\t \\v \\' \\\" \\\\ \\? \\x and two hexadecimal digits, \\ and up to three octal ones",
                );
                return;
            }
        };
        self.at += 1;
        bytes.push(simple);
    }

    /// The bytes of `"…"` after `0x`.
    fn hex_bytes(&mut self, start: usize, reporter: &mut Reporter) -> Vec<u8> {
        self.at += 1;
        let inside = self.take_while(|byte| byte != b'"');
        if self.peek().is_none() {
            reporter.error(Place::Span(Span { end: start as u32 + 3, ..self.span(start) }), "these bytes have no end");
            return Vec::new();
        }
        self.at += 1;
        let mut bytes = Vec::with_capacity(inside.len() / 2);
        let mut half = None;
        for character in inside.chars() {
            if character.is_ascii_whitespace() && half.is_none() {
                continue;
            }
            let Some(digit) = character.to_digit(16) else {
                reporter.error(
                    Place::Span(self.span(start)),
                    format!("bytes are pairs of hexadecimal digits; {character:?} is none"),
                );
                return Vec::new();
            };
            match half.take() {
                None => half = Some(digit),
                Some(high) => bytes.push((high * 16 + digit) as u8),
            }
        }
        if half.is_some() {
            reporter.error(Place::Span(self.span(start)), "the last of these bytes has one digit; it needs two");
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> (Vec<TokenKind>, bool) {
        let mut reporter = Reporter::default();
        let file = reporter.add_file("f".into(), Some(zeroize::Zeroizing::new(text.into())));
        let mut lexer = Lexer::new(file, text);
        let mut found = Vec::new();
        loop {
            let token = lexer.next(&mut reporter);
            if token.kind == TokenKind::End {
                return (found, reporter.has_errors());
            }
            found.push(token.kind);
        }
    }

    #[test]
    fn numbers_in_all_notations() {
        for (text, expected) in [
            ("0", TokenKind::Integer(0)),
            ("42", TokenKind::Integer(42)),
            ("017", TokenKind::Integer(15)),
            ("0xfF", TokenKind::Integer(255)),
            ("0XfF", TokenKind::Integer(255)),
            ("18446744073709551615", TokenKind::Integer(u64::MAX)),
            ("0xffffffffffffffff", TokenKind::Integer(u64::MAX)),
            ("1.5", TokenKind::Float(1.5)),
            ("1.", TokenKind::Float(1.0)),
            ("0.25", TokenKind::Float(0.25)),
            ("1e3", TokenKind::Float(1000.0)),
            ("1E+3", TokenKind::Float(1000.0)),
            ("25e-1", TokenKind::Float(2.5)),
            ("1e400", TokenKind::Float(f64::INFINITY)),
        ] {
            assert_eq!(tokens(text), (vec![expected], false), "{text}");
        }
        for text in ["09", "0x", "0xg", "18446744073709551616", "1e", "1e+", "12ab", "1.5x", "1_000"] {
            let (found, errors) = tokens(text);
            assert!(errors && found.len() == 1, "{text} {found:?}");
        }
    }

    #[test]
    fn texts_and_bytes() {
        assert_eq!(tokens("\"a\\n\\\\\\\"\""), (vec![TokenKind::Text(b"a\n\\\"".to_vec())], false));
        assert_eq!(tokens(r#""\x41\101\0\12""#), (vec![TokenKind::Text(b"AA\0\n".to_vec())], false));
        assert_eq!(tokens("\"é # no comment\" # one"), (vec![TokenKind::Text("é # no comment".into())], false));
        assert_eq!(tokens("0x\"00 fF\n80\""), (vec![TokenKind::Data(vec![0, 255, 128])], false));
        for (text, expected) in [
            ("`a\n", "a\n"),
            ("`\n", "\n"),
            ("`a\r\n", "a\n"),
            ("`a\r", "a\n"),
            ("`a", "a\n"),
            ("`\t\\n \"é\" ` # \\\n", "\t\\n \"é\" ` # \\\n"),
            ("  # c\n\n`a\u{2028}b\0\n# c", "a\u{2028}b\0\n"),
        ] {
            assert_eq!(tokens(text), (vec![TokenKind::Text(expected.into())], false), "{text:?}");
        }
        let texts = ["a\n", "b", "c\n", "d\n"].map(|text| TokenKind::Text(text.into()));
        assert_eq!(tokens("`a\n # c\n \"b\"\n`c\r\n`d"), (texts.to_vec(), false));
        for text in ["\"a", "\"a\nb\"", "\"\\", "\"\\x\"", "\"\\400\"", "0x\"0\"", "0x\"", "0x\"0 0\"", "'a'", "é"] {
            assert!(tokens(text).1, "{text}");
        }
    }
}
