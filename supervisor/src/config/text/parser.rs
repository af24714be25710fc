//! Tokens to declarations, by recursive descent. After a mistake it goes on with the next item of a list, or the next
//! declaration, so that one run finds all of them.

use std::rc::Rc;

use super::{
    ast::{Declaration, DeclarationKind, File, Name, Root, TypeName, Value, ValueKind, Word},
    lexer::{Lexer, Token, TokenKind, UNKNOWN},
};
use crate::config::{
    diagnostics::{Place, Reporter, Span},
    limits::{MAX_DEPTH, MAX_VALUES},
};

/// What one file says. `values` counts what all files have said so far.
pub(super) fn parse(file: u32, text: &str, reporter: &mut Reporter, values: &mut usize) -> File {
    let mut lexer = Lexer::new(file, text);
    let token = lexer.next(reporter);
    let mut parser =
        Parser { lexer, token, ahead: None, reporter, values, depth: 0, last: None, gave_up: false, quiet: false };
    parser.file()
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    token: Token,
    ahead: Option<Token>,
    reporter: &'a mut Reporter,
    values: &'a mut usize,
    depth: usize,
    /// Where the token before this one ended.
    last: Option<Span>,
    /// There is too much of it, or too much is wrong.
    gave_up: bool,
    /// Something in this declaration could not be read at all; what would be said about the rest of it is noise.
    quiet: bool,
}

/// What was wrong has been reported.
struct Wrong;

type Parsed<T> = Result<T, Wrong>;

impl Parser<'_> {
    fn advance(&mut self) -> Token {
        let next = match self.ahead.take() {
            Some(token) => token,
            None => self.lexer.next(self.reporter),
        };
        let token = std::mem::replace(&mut self.token, next);
        self.last = Some(token.span);
        token
    }

    fn is(&self, punctuation: char) -> bool {
        self.token.kind == TokenKind::Punctuation(punctuation)
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(&self.token.kind, TokenKind::Identifier(name) if name == word)
    }

    fn next_is(&mut self, punctuation: char) -> bool {
        self.next_is_one_of(&[punctuation])
    }

    fn next_is_one_of(&mut self, punctuation: &[char]) -> bool {
        if self.ahead.is_none() {
            self.ahead = Some(self.lexer.next(self.reporter));
        }
        matches!(self.ahead, Some(Token { kind: TokenKind::Punctuation(next), .. }) if punctuation.contains(&next))
    }

    fn accept(&mut self, punctuation: char) -> bool {
        let found = self.is(punctuation);
        if found {
            self.advance();
        }
        found
    }

    fn expected<T>(&mut self, what: &str) -> Parsed<T> {
        if self.quiet {
            return Err(Wrong);
        }
        let found = match &self.token.kind {
            TokenKind::Identifier(name) => format!("`{name}`"),
            TokenKind::Text(_) => "a text".to_owned(),
            TokenKind::Data(_) => "bytes".to_owned(),
            TokenKind::Integer(_) | TokenKind::Float(_) => "a number".to_owned(),
            TokenKind::Punctuation(UNKNOWN) => {
                self.quiet = true;
                return Err(Wrong);
            }
            TokenKind::Punctuation(character) => format!("`{character}`"),
            TokenKind::End => "the end of the file".to_owned(),
        };
        // What is missing is missing after the last token, not before one that may be lines away.
        let place = match (&self.token.kind, self.last) {
            (TokenKind::End, Some(last)) => last,
            _ => self.token.span,
        };
        let message = format!("expected {what}, found {found}");
        match self.last {
            // Who takes it for a pair of quotes has lost the rest of the line.
            Some(last) if self.lexer.is_block(last) => self.reporter.error_with_help(
                Place::Span(place),
                message,
                "the text before it begins with a backtick, and goes on to the end of its line whatever stands there",
            ),
            _ => self.reporter.error(Place::Span(place), message),
        }
        Err(Wrong)
    }

    fn require(&mut self, punctuation: char) -> Parsed<Span> {
        if self.is(punctuation) { Ok(self.advance().span) } else { self.expected(&format!("`{punctuation}`")) }
    }

    fn word(&mut self, what: &str) -> Parsed<Word> {
        match &mut self.token.kind {
            TokenKind::Identifier(name) => {
                let text = std::mem::take(name);
                Ok(Word { text, span: self.advance().span })
            }
            _ => self.expected(what),
        }
    }

    /// A text, or several beside each other.
    fn text(&mut self) -> (Vec<u8>, Span) {
        let (mut bytes, mut span) = (Vec::new(), self.token.span);
        while let TokenKind::Text(piece) = &mut self.token.kind {
            bytes.append(piece);
            span = span.to(self.advance().span);
        }
        (bytes, span)
    }

    fn path(&mut self) -> Parsed<(String, Span)> {
        if !matches!(self.token.kind, TokenKind::Text(_)) {
            return self.expected("a path between double quotes");
        }
        let (bytes, span) = self.text();
        match String::from_utf8(bytes) {
            Ok(path) if !path.is_empty() && !path.contains('\0') => Ok((path, span)),
            _ => {
                self.reporter.error(Place::Span(span), "this is not a path");
                Err(Wrong)
            }
        }
    }

    fn file(&mut self) -> File {
        let mut file = File::default();
        while self.token.kind != TokenKind::End && !self.gave_up && !self.reporter.is_full() {
            match self.declaration() {
                Ok(Some(declaration)) => file.declarations.push(declaration),
                Ok(None) => {}
                Err(Wrong) => self.skip_declaration(),
            }
        }
        file
    }

    fn declaration(&mut self) -> Parsed<Option<Declaration>> {
        let begin = self.token.span;
        self.depth = 0;
        self.quiet = false;
        if self.accept('@') {
            if !matches!(self.token.kind, TokenKind::Integer(_)) {
                return self.expected("the number of the file, such as @0xbf5147cbbecf40c1");
            }
            self.advance();
            self.require(';')?;
            return Ok(None);
        }
        if self.is('$') {
            self.annotations()?;
            self.require(';')?;
            return Ok(None);
        }
        if self.is_word("using") {
            self.advance();
            return self.using().map(Some);
        }
        if self.is_word("const") {
            self.advance();
            return self.constant().map(Some);
        }
        for keyword in ["struct", "enum", "interface", "annotation"] {
            if self.is_word(keyword) {
                self.reporter.error_with_help(
                    Place::Span(begin),
                    format!("a configuration cannot declare its own {keyword}"),
                    "it consists of `using` and `const`",
                );
                return Err(Wrong);
            }
        }
        if let TokenKind::Identifier(name) = &self.token.kind
            && let Some(meant) = crate::config::diagnostics::nearest(name, ["using", "const"])
        {
            let message = format!("expected `using` or `const`, found `{name}`");
            self.reporter.error_with_help(Place::Span(begin), message, format!("did you mean `{meant}`?"));
            return Err(Wrong);
        }
        self.expected("`using` or `const`")
    }

    /// To what is probably the next declaration.
    fn skip_declaration(&mut self) {
        let mut braces = 0usize;
        while !self.reporter.is_full() {
            match self.token.kind {
                TokenKind::End => return,
                TokenKind::Punctuation(';') if braces == 0 => {
                    self.advance();
                    return;
                }
                TokenKind::Punctuation('{') => braces += 1,
                TokenKind::Punctuation('}') => {
                    if braces <= 1 {
                        self.advance();
                        return;
                    }
                    braces -= 1;
                }
                _ => {}
            }
            self.advance();
        }
    }

    fn annotations(&mut self) -> Parsed<()> {
        while self.accept('$') {
            self.name("the name of an annotation")?;
            if self.is('(') {
                self.value();
            }
        }
        Ok(())
    }

    fn using(&mut self) -> Parsed<Declaration> {
        let name = if self.next_is('=') {
            let name = self.word("a name")?;
            self.advance();
            Some(name)
        } else {
            None
        };
        let target = self.name("a name or `import`")?;
        let name = match (name, target.words.last()) {
            (Some(name), _) => name,
            (None, Some(last)) if target.words.len() > 1 || !matches!(target.root, Root::Relative) => last.clone(),
            (None, _) => {
                self.reporter.error_with_help(
                    Place::Span(target.span),
                    "this `using` has no name",
                    "write `using Name = …;`",
                );
                return Err(Wrong);
            }
        };
        self.require(';')?;
        Ok(Declaration { name, kind: DeclarationKind::Using(Rc::new(target)) })
    }

    fn constant(&mut self) -> Parsed<Declaration> {
        let name = self.word("the name of the constant")?;
        if self.accept('@') {
            if !matches!(self.token.kind, TokenKind::Integer(_)) {
                return self.expected("a number");
            }
            self.advance();
        }
        self.require(':')?;
        let ty = self.type_name()?;
        self.require('=')?;
        let value = self.value();
        // The value is worth looking at even when the end of the declaration is wrong.
        let end = self.annotations().and_then(|()| self.require(';').map(drop));
        if end.is_err() {
            self.skip_declaration();
        }
        Ok(Declaration { name, kind: DeclarationKind::Constant { ty: Rc::new(ty), value: Rc::new(value) } })
    }

    fn name(&mut self, what: &str) -> Parsed<Name> {
        let begin = self.token.span;
        let mut words = Vec::new();
        let root = if self.is_word("import") {
            self.advance();
            let (path, span) = self.path()?;
            Root::Import(path, span)
        } else if self.accept('.') {
            words.push(self.word("a name")?);
            Root::ThisFile
        } else {
            words.push(self.word(what)?);
            Root::Relative
        };
        while self.accept('.') {
            words.push(self.word("a name")?);
        }
        let end = self.last.unwrap_or(begin);
        Ok(Name { root, words, span: begin.to(end) })
    }

    fn type_name(&mut self) -> Parsed<TypeName> {
        let name = self.name("a type")?;
        let mut arguments = Vec::new();
        let mut span = name.span;
        if self.accept('(') {
            self.depth += 1;
            if self.depth > MAX_DEPTH {
                self.too_deep(span);
                return Err(Wrong);
            }
            arguments.push(self.type_name()?);
            while self.accept(',') {
                arguments.push(self.type_name()?);
            }
            span = span.to(self.require(')')?);
            self.depth -= 1;
        }
        Ok(TypeName { name, arguments, span })
    }

    fn too_deep(&mut self, span: Span) {
        self.reporter.error(Place::Span(span), format!("values are nested more than {MAX_DEPTH} deep"));
        self.gave_up = true;
    }

    /// A value; one that is wrong has been reported, and what remains of it skipped.
    fn value(&mut self) -> Value {
        let begin = self.token.span;
        *self.values += 1;
        if *self.values > MAX_VALUES {
            if !self.gave_up {
                self.reporter.error(Place::Span(begin), format!("there are more than {MAX_VALUES} values"));
            }
            self.gave_up = true;
        }
        if self.gave_up || self.reporter.is_full() {
            self.gave_up = true;
            self.skip_item();
            return Value { kind: ValueKind::Wrong, span: begin };
        }
        match self.value_kind() {
            Ok(kind) => {
                let end = self.last.unwrap_or(begin);
                Value { kind, span: begin.to(end) }
            }
            Err(Wrong) => {
                self.skip_item();
                Value { kind: ValueKind::Wrong, span: begin }
            }
        }
    }

    fn value_kind(&mut self) -> Parsed<ValueKind> {
        match &mut self.token.kind {
            TokenKind::Integer(value) => {
                let value = *value;
                self.advance();
                Ok(ValueKind::Integer(value, false))
            }
            TokenKind::Float(value) => {
                let value = *value;
                self.advance();
                Ok(ValueKind::Float(value))
            }
            TokenKind::Text(_) => Ok(ValueKind::Text(self.text().0)),
            TokenKind::Data(bytes) => {
                let bytes = std::mem::take(bytes);
                self.advance();
                Ok(ValueKind::Data(bytes))
            }
            TokenKind::Identifier(word) if word == "embed" => {
                self.advance();
                let (path, span) = self.path()?;
                Ok(ValueKind::Embed(path, span))
            }
            TokenKind::Identifier(_) | TokenKind::Punctuation('.') => Ok(ValueKind::Name(self.name("a value")?)),
            TokenKind::Punctuation('-') => {
                self.advance();
                match &self.token.kind {
                    TokenKind::Integer(value) => {
                        let value = *value;
                        self.advance();
                        Ok(ValueKind::Integer(value, true))
                    }
                    TokenKind::Float(value) => {
                        let value = -*value;
                        self.advance();
                        Ok(ValueKind::Float(value))
                    }
                    TokenKind::Identifier(word) if word == "inf" => {
                        self.advance();
                        Ok(ValueKind::Float(f64::NEG_INFINITY))
                    }
                    _ => self.expected("a number"),
                }
            }
            TokenKind::Punctuation('[') => self.nested(']', |parser| {
                let items = parser.items(']', |parser| Ok(parser.value()))?;
                Ok(ValueKind::List(items))
            }),
            TokenKind::Punctuation('(') => self.nested(')', |parser| {
                // A name alone can be a value; a name before anything else is that of a field, whether its `=` is there
                // or not.
                let named = matches!(parser.token.kind, TokenKind::Identifier(_))
                    && !parser.is_word("embed")
                    && !parser.is_word("import")
                    && !parser.next_is_one_of(&['.', ')', ',']);
                if !named && !parser.is(')') {
                    // Parentheses around one value change nothing.
                    let inner = parser.value();
                    if !parser.is(')') {
                        return parser.expected("`)`, or a field as in `(name = value)`");
                    }
                    parser.require(')')?;
                    return Ok(inner.kind);
                }
                let fields = parser.items(')', |parser| {
                    let name = parser.word("the name of a field")?;
                    parser.require('=')?;
                    Ok((name, parser.value()))
                })?;
                Ok(ValueKind::Struct(fields))
            }),
            _ => self.expected("a value"),
        }
    }

    fn nested(&mut self, close: char, inside: impl FnOnce(&mut Self) -> Parsed<ValueKind>) -> Parsed<ValueKind> {
        let open = self.advance().span;
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            self.too_deep(open);
        }
        let result = if self.gave_up { Err(Wrong) } else { inside(self) };
        self.depth -= 1;
        if result.is_err() {
            self.skip_item();
            self.accept(close);
            return Ok(ValueKind::Wrong);
        }
        result
    }

    /// Items with commas between them, up to and with `close`. A comma after the last one is fine.
    fn items<T>(&mut self, close: char, mut item: impl FnMut(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>> {
        let mut items = Vec::new();
        loop {
            if self.accept(close) {
                return Ok(items);
            }
            if self.gave_up || self.reporter.is_full() {
                return Err(Wrong);
            }
            if matches!(self.token.kind, TokenKind::End | TokenKind::Punctuation(';')) {
                return self.expected(&format!("`{close}`"));
            }
            match item(self) {
                Ok(item) => items.push(item),
                Err(Wrong) => self.skip_item(),
            }
            if self.is(close) {
                continue;
            }
            if !self.accept(',') {
                let wrong = self.expected(&format!("`,` or `{close}`"));
                if matches!(self.token.kind, TokenKind::End | TokenKind::Punctuation(';' | ')' | ']' | '}')) {
                    return wrong;
                }
                // A comma was forgotten before something that looks like the next item.
                if !matches!(self.token.kind, TokenKind::Identifier(_)) || !self.next_is('=') {
                    self.skip_item();
                    self.accept(',');
                }
            }
        }
    }

    /// To the comma or bracket that ends the item we are in, or to the end of the declaration.
    fn skip_item(&mut self) {
        let mut depth = 0usize;
        while !self.reporter.is_full() {
            match self.token.kind {
                TokenKind::End | TokenKind::Punctuation(';') => return,
                TokenKind::Punctuation('(' | '[' | '{') => depth += 1,
                TokenKind::Punctuation(')' | ']' | '}') => {
                    if depth == 0 {
                        return;
                    }
                    depth -= 1;
                }
                TokenKind::Punctuation(',') if depth == 0 => return,
                _ => {}
            }
            self.advance();
        }
    }
}
