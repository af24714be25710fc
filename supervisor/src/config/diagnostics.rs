//! What is wrong with a configuration, and where.

use std::fmt;

use zeroize::Zeroizing;

use super::limits::MAX_DIAGNOSTICS;

/// A piece of a file: byte offsets, the end excluded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Span {
    pub(crate) file: u32,
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Span {
    /// From the start of this one to the end of the other.
    pub(crate) fn to(self, end: Span) -> Span {
        Span { file: self.file, start: self.start, end: end.end.max(self.start) }
    }
}

/// Where something is that a diagnostic speaks about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Place {
    /// A piece of a text.
    Span(Span),
    /// A file as a whole: a binary configuration, or one that cannot be read.
    File(u32),
}

/// How bad something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The configuration is refused.
    Error,
    /// It is served; what the diagnostic names fails, with an error that says so, when it is used.
    Warning,
}

/// One thing that is wrong. `Display` gives the position, the line of the source with a caret, and advice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    severity: Severity,
    place: Place,
    file: String,
    /// Line and column, from 1, the column in characters; `None` for a whole file.
    position: Option<(u32, u32)>,
    /// The line, its control characters replaced, and where the caret's line begins and how long it is, in characters.
    excerpt: Option<(String, usize, usize)>,
    message: String,
    help: Option<String>,
}

impl Diagnostic {
    /// Whether the configuration is refused for it.
    pub fn severity(&self) -> Severity {
        self.severity
    }

    /// The file as the user named it.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Line and column, both from 1, the column in characters. `None` where the file as a whole is meant.
    pub fn position(&self) -> Option<(u32, u32)> {
        self.position
    }

    /// What is wrong, in one line.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Where it is, and what is wrong, in one line.
    fn line(&self) -> String {
        match self.position {
            Some((line, column)) => format!("{}:{line}:{column}: {}", self.file, self.message),
            None => format!("{}: {}", self.file, self.message),
        }
    }

    /// What to do about it, in one line.
    pub fn help(&self) -> Option<&str> {
        self.help.as_deref()
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        match self.position {
            Some((line, column)) => write!(f, "{}:{line}:{column}: {severity}: {}", self.file, self.message)?,
            None => write!(f, "{}: {severity}: {}", self.file, self.message)?,
        }
        let number = self.position.map(|(line, _)| line.to_string()).unwrap_or_default();
        if let Some((line, offset, width)) = &self.excerpt {
            write!(f, "\n  {number} | {line}")?;
            write!(f, "\n  {:1$} | {2:3$}{4}", "", number.len(), "", offset, "^".repeat(*width))?;
        }
        if let Some(help) = &self.help {
            write!(f, "\n  {:1$} = {help}", "", number.len())?;
        }
        Ok(())
    }
}

/// Everything that is wrong with a configuration, in the order of the source. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostics {
    list: Vec<Diagnostic>,
    left_out: usize,
}

impl Diagnostics {
    /// The diagnostics, at most [`MAX_DIAGNOSTICS`] of them.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.list.iter()
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, diagnostic) in self.list.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{diagnostic}")?;
        }
        if self.left_out > 0 {
            write!(f, "\nand {} more", self.left_out)?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}

/// Collects diagnostics, and knows the texts that they point into.
#[derive(Debug, Default)]
pub(crate) struct Reporter {
    files: Vec<File>,
    found: Vec<Diagnostic>,
    left_out: usize,
    warnings: Vec<Diagnostic>,
}

/// How much was wrong at some time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    found: usize,
    left_out: usize,
}

#[derive(Debug)]
struct File {
    name: String,
    /// It may hold private keys.
    text: Option<Zeroizing<String>>,
}

impl Reporter {
    /// Adds a file that diagnostics can name.
    pub(crate) fn add_file(&mut self, name: String, text: Option<Zeroizing<String>>) -> u32 {
        self.files.push(File { name, text });
        (self.files.len() - 1) as u32
    }

    /// The text of a file, empty for a binary one.
    pub(crate) fn text(&self, file: u32) -> &str {
        self.files[file as usize].text.as_ref().map_or("", |text| text.as_str())
    }

    pub(crate) fn has_errors(&self) -> bool {
        !self.found.is_empty()
    }

    /// Whether so much is wrong that looking on is of no use.
    pub(crate) fn is_full(&self) -> bool {
        self.left_out > 0
    }

    pub(crate) fn error(&mut self, place: Place, message: impl Into<String>) {
        self.report(place, message.into(), None);
    }

    pub(crate) fn error_with_help(&mut self, place: Place, message: impl Into<String>, help: impl Into<String>) {
        self.report(place, message.into(), Some(help.into()));
    }

    /// Reports what will fail when it is used, and keeps nobody from being served. More than [`MAX_DIAGNOSTICS`] are dropped.
    pub(crate) fn warning(&mut self, place: Place, message: impl Into<String>) {
        let message = message.into();
        let known = self.warnings.iter().any(|other| other.place == place && other.message == message);
        if !known && self.warnings.len() < MAX_DIAGNOSTICS {
            let warning = self.diagnostic(Severity::Warning, place, &message, None);
            self.warnings.push(warning);
        }
    }

    /// The warnings, in the order of the source.
    pub(crate) fn take_warnings(&mut self) -> Vec<Diagnostic> {
        let mut warnings = std::mem::take(&mut self.warnings);
        warnings.sort_by_key(order);
        warnings
    }

    /// How much is wrong so far, for [`Self::excuse`].
    pub(crate) fn mark(&self) -> Mark {
        Mark { found: self.found.len(), left_out: self.left_out }
    }

    /// Makes warnings of what was found to be wrong since `mark`, and gives the first of it in one line, if there is any. `help` goes
    /// with those that have no advice of their own.
    pub(crate) fn excuse(&mut self, mark: Mark, help: &str) -> Option<String> {
        let mut excused = self.found.split_off(mark.found);
        self.left_out = mark.left_out;
        excused.sort_by_key(order);
        let first = excused.first().map(Diagnostic::line);
        let room = MAX_DIAGNOSTICS.saturating_sub(self.warnings.len());
        self.warnings.extend(excused.into_iter().take(room).map(|error| Diagnostic {
            severity: Severity::Warning,
            help: error.help.or_else(|| Some(help.to_owned())),
            ..error
        }));
        first
    }

    /// What was no more than a warning is what is wrong.
    pub(crate) fn take_warnings_for_errors(&mut self) {
        let errors = std::mem::take(&mut self.warnings).into_iter();
        self.found.extend(errors.map(|warning| Diagnostic { severity: Severity::Error, ..warning }));
    }

    fn report(&mut self, place: Place, message: String, help: Option<String>) {
        if self.found.iter().any(|other| other.place == place && other.message == message) {
            return;
        }
        if self.found.len() >= MAX_DIAGNOSTICS {
            self.left_out += 1;
            return;
        }
        let diagnostic = self.diagnostic(Severity::Error, place, &message, help);
        self.found.push(diagnostic);
    }

    fn diagnostic(&self, severity: Severity, place: Place, message: &str, help: Option<String>) -> Diagnostic {
        let message = printable(message);
        let help = help.map(|help| printable(&help));
        let (index, span) = match place {
            Place::Span(span) => (span.file, Some(span)),
            Place::File(file) => (file, None),
        };
        let file = &self.files[index as usize];
        let located = span.zip(file.text.as_ref()).map(|(span, text)| locate(text, span));
        let (position, excerpt) = match located {
            Some((position, excerpt)) => (Some(position), excerpt),
            None => (None, None),
        };
        Diagnostic { severity, place, file: file.name.clone(), position, excerpt, message, help }
    }

    /// What was found, in the order of the source.
    pub(crate) fn finish(mut self) -> Diagnostics {
        self.found.sort_by_key(order);
        Diagnostics { list: self.found, left_out: self.left_out }
    }
}

/// What sorts diagnostics as their places stand in the source.
fn order(diagnostic: &Diagnostic) -> (u32, u32, u32) {
    match diagnostic.place {
        Place::File(file) => (file, 0, 0),
        Place::Span(span) => (span.file, span.start + 1, span.end),
    }
}

/// Text from a file goes to a terminal: nothing in it may be taken for a command, and it stays on its line.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// The most characters of a line that are shown.
const EXCERPT_CHARS: usize = 120;

/// A line, where in it the span begins, and how long the span is, in characters.
type Excerpt = (String, usize, usize);

/// The line and the column, and the line itself with where in it: but for lines that have a part of a private key.
fn locate(text: &str, span: Span) -> ((u32, u32), Option<Excerpt>) {
    let mut start = (span.start as usize).min(text.len());
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
    let line_end = text[start..].find('\n').map_or(text.len(), |newline| start + newline);
    let line_number = text[..line_start].bytes().filter(|byte| *byte == b'\n').count() + 1;
    let column = text[line_start..start].chars().count();
    let mut end = (span.end as usize).clamp(start, line_end);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let width = text[start..end].chars().count().max(1);
    let show = |piece: &str| piece.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>();
    // Of a long line, only what is around the caret.
    let fits = text[line_start..line_end].chars().nth(EXCERPT_CHARS).is_none();
    let before = if fits { column } else { column.min(EXCERPT_CHARS / 2) };
    let shown_start = if before == column {
        line_start
    } else {
        text[line_start..start].char_indices().rev().nth(before - 1).map_or(start, |(offset, _)| line_start + offset)
    };
    let shown_end = text[shown_start..line_end]
        .char_indices()
        .nth(EXCERPT_CHARS)
        .map_or(line_end, |(offset, _)| shown_start + offset);
    let line = show(text[shown_start..shown_end].trim_end());
    let excerpt =
        (!has_key(text, line_start, line_end)).then(|| (line, before, width.min((EXCERPT_CHARS - before).max(1))));
    ((line_number as u32, column as u32 + 1), excerpt)
}

/// Whether something of a private key in PEM is on a line: what is reported may be read by others than who may read the key.
fn has_key(text: &str, line_start: usize, line_end: usize) -> bool {
    let begins = text[..line_end].rfind("PRIVATE KEY-----").map(|label| (label, text[..label].rfind("-----")));
    match begins {
        Some((_, Some(dashes))) if text[dashes..].starts_with("-----END ") => dashes >= line_start,
        Some((label, _)) => text[label..].find("-----END ").is_none_or(|end| label + end >= line_start),
        None => false,
    }
}

/// The name that was probably meant, as advice. Names that are too different are not suggested.
pub(crate) fn nearest<'a>(wrong: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = wrong.chars().count();
    if length > 100 {
        return None;
    }
    let allowed = (length / 3).max(1);
    let lower = wrong.to_lowercase();
    names
        .into_iter()
        // Small and large letters matter less than other differences, and a name decides between equals.
        .map(|name| (distance(&lower, &name.to_lowercase()), distance(wrong, name), name))
        .filter(|(distance, _, name)| *distance <= allowed && *distance < name.chars().count())
        .min()
        .map(|(_, _, name)| name)
}

/// The number of letters to add, remove, change or swap with their neighbour to make one word from another.
fn distance(left: &str, right: &str) -> usize {
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    let mut rows = vec![vec![0; right.len() + 1]; left.len() + 1];
    for (index, row) in rows.iter_mut().enumerate() {
        row[0] = index;
    }
    rows[0] = (0..=right.len()).collect();
    for i in 1..=left.len() {
        for j in 1..=right.len() {
            let change = usize::from(left[i - 1] != right[j - 1]);
            let mut best = (rows[i - 1][j] + 1).min(rows[i][j - 1] + 1).min(rows[i - 1][j - 1] + change);
            if i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[left.len()][right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_at_the_place() {
        let mut reporter = Reporter::default();
        let file = reporter.add_file("a.capnp".into(), Some(Zeroizing::new("first\n\tké = \u{7}wrong;\n".into())));
        reporter.error_with_help(Place::Span(Span { file, start: 14, end: 19 }), "bad\u{1b}[31m", "do better");
        assert_eq!(
            reporter.finish().to_string(),
            "a.capnp:2:8: error: bad\u{fffd}[31m\n  2 |  ké =  wrong;\n    |        ^^^^^\n    = do better"
        );
    }

    #[test]
    fn shows_only_a_part_of_a_long_line() {
        let mut reporter = Reporter::default();
        let text = format!("{}x{}", "a".repeat(100_000), "b".repeat(100_000));
        let file = reporter.add_file("a.capnp".into(), Some(Zeroizing::new(text)));
        reporter.error(Place::Span(Span { file, start: 100_000, end: 100_001 }), "here");
        let shown = reporter.finish().to_string();
        assert!(shown.len() < 400, "{shown}");
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[1].chars().nth(lines[2].find('^').unwrap()), Some('x'), "{shown}");
    }

    #[test]
    fn no_line_of_a_key_is_shown() {
        let text = "before\nkey = \"-----BEGIN PRIVATE KEY-----\\n\"\n  \"c2VjcmV0\\n\"\n  \"-----END PRIVATE KEY-----\";\nafter\n";
        for (number, line) in text.lines().enumerate() {
            let start = text.find(line).unwrap() as u32;
            let mut reporter = Reporter::default();
            let file = reporter.add_file("f".into(), Some(Zeroizing::new(text.into())));
            reporter.error(Place::Span(Span { file, start, end: start + 1 }), "m");
            let shown = reporter.finish().to_string();
            let place = format!("f:{}:1: error: m", number + 1);
            assert!(shown.starts_with(&place), "{shown}");
            assert_eq!(shown == place, (1..=3).contains(&number), "{shown}");
        }
        for text in [
            "-----BEGIN EC PRIVATE KEY-----\nc2VjcmV0",
            "k = \"-----BEGIN PRIVATE KEY-----\\nc2VjcmV0\\n-----END PRIVATE KEY-----\"",
        ] {
            let mut reporter = Reporter::default();
            let file = reporter.add_file("f".into(), Some(Zeroizing::new(text.into())));
            let start = text.find("c2V").unwrap() as u32;
            reporter.error(Place::Span(Span { file, start, end: start + 1 }), "m");
            assert!(!reporter.finish().to_string().contains("c2V"), "{text}");
        }
    }

    #[test]
    fn any_span_of_any_text_is_shown() {
        let text = "é\n日本\r\n\u{feff}x";
        for start in 0..=text.len() as u32 + 1 {
            for end in 0..=text.len() as u32 + 1 {
                let mut reporter = Reporter::default();
                let file = reporter.add_file("f".into(), Some(Zeroizing::new(text.into())));
                reporter.error(Place::Span(Span { file, start, end }), "m");
                assert!(reporter.finish().to_string().contains('^'));
            }
        }
    }

    #[test]
    fn what_is_excused_is_a_warning_and_no_more() {
        let mut reporter = Reporter::default();
        let file = reporter.add_file("f".into(), Some(Zeroizing::new("x\n".repeat(300))));
        let at = |line: u32| Place::Span(Span { file, start: 2 * line, end: 2 * line + 1 });
        let mark = reporter.mark();
        assert_eq!(reporter.excuse(mark, "h"), None);
        (1..=150).rev().for_each(|line| reporter.error(at(line), "m"));
        assert_eq!(reporter.excuse(mark, "h").as_deref(), Some("f:52:1: m"));
        assert!(!reporter.has_errors() && !reporter.is_full());
        let warnings = reporter.take_warnings();
        assert_eq!((warnings.len(), warnings[0].severity(), warnings[0].help()), (100, Severity::Warning, Some("h")));
        reporter.error(at(1), "before");
        let mark = reporter.mark();
        reporter.error(at(0), "after");
        assert_eq!(reporter.excuse(mark, "h").as_deref(), Some("f:1:1: after"));
        assert!(reporter.finish().to_string().starts_with("f:2:1: error: before"));
    }

    #[test]
    fn keeps_a_bounded_number() {
        let mut reporter = Reporter::default();
        let file = reporter.add_file("f".into(), Some(Zeroizing::new("x".repeat(500))));
        for start in 0..150 {
            reporter.error(Place::Span(Span { file, start, end: start + 1 }), "m");
        }
        assert!(reporter.is_full());
        assert!(reporter.finish().to_string().ends_with("and 50 more"));
    }

    #[test]
    fn suggests_what_is_near() {
        let names = ["services", "sockets", "v8Flags"];
        assert_eq!(nearest("servces", names), Some("services"));
        assert_eq!(nearest("sokcets", names), Some("sockets"));
        assert_eq!(nearest("v8flags", names), Some("v8Flags"));
        assert_eq!(nearest("completelyElse", names), None);
        assert_eq!(nearest("", names), None);
    }
}
