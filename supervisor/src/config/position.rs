//! From a value in a message back to the text that it was written in.

use std::{collections::HashMap, fmt};

use super::diagnostics::{Place, Span};

/// One step from a value to a value inside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    Field(&'static str),
    Index(u32),
}

/// The places of all values of a message, as a tree of its own.
#[derive(Debug)]
pub(crate) struct Positions {
    file: u32,
    places: Vec<Node>,
    children: HashMap<(u32, Step), u32>,
}

#[derive(Debug)]
struct Node {
    /// The value.
    span: Option<Span>,
    /// The field's name before it.
    name: Option<Span>,
    /// Something inside was wrong and is missing in the message.
    incomplete: bool,
}

impl Positions {
    /// Of a message that was made from the text in `file`, or that is `file`.
    pub(crate) fn new(file: u32) -> Self {
        let root = Node { span: None, name: None, incomplete: false };
        Self { file, places: vec![root], children: HashMap::new() }
    }

    /// Adds a value inside another, and says what it is called from now on.
    pub(crate) fn add(&mut self, parent: u32, step: Step, span: Span, name: Option<Span>) -> u32 {
        let index = self.places.len() as u32;
        self.places.push(Node { span: Some(span), name, incomplete: false });
        self.children.insert((parent, step), index);
        index
    }

    pub(crate) fn set(&mut self, node: u32, span: Span) {
        self.places[node as usize].span = Some(span);
    }

    pub(crate) fn mark_incomplete(&mut self, node: u32) {
        self.places[node as usize].incomplete = true;
    }

    /// The whole message.
    pub(crate) fn root(&self) -> Cursor<'_> {
        Cursor { positions: self, parent: None, node: Some(0) }
    }
}

/// A value of a message, on the way from the root.
#[derive(Clone, Copy)]
pub(crate) struct Cursor<'a> {
    positions: &'a Positions,
    parent: Option<(&'a Cursor<'a>, Step)>,
    node: Option<u32>,
}

impl<'a> Cursor<'a> {
    /// The value in a field.
    pub(crate) fn field(&'a self, name: &'static str) -> Cursor<'a> {
        self.step(Step::Field(name))
    }

    /// The value at a place in a list.
    pub(crate) fn index(&'a self, index: u32) -> Cursor<'a> {
        self.step(Step::Index(index))
    }

    fn step(&'a self, step: Step) -> Cursor<'a> {
        let node = self.node.and_then(|node| self.positions.children.get(&(node, step)).copied());
        Cursor { positions: self.positions, parent: Some((self, step)), node }
    }

    /// Where the value is written; where it is not written, where what holds it is.
    pub(crate) fn place(&self) -> Place {
        self.find(|node| node.span)
    }

    /// Where the name of the field is written.
    pub(crate) fn name_place(&self) -> Place {
        self.find(|node| node.name.or(node.span))
    }

    fn find(&self, pick: impl Fn(&Node) -> Option<Span>) -> Place {
        let mut at = self;
        loop {
            if let Some(span) = at.node.and_then(|node| pick(&self.positions.places[node as usize])) {
                return Place::Span(span);
            }
            match at.parent {
                Some((parent, _)) => at = parent,
                None => return Place::File(self.positions.file),
            }
        }
    }

    /// Whether something that was written here is not in the message, because it was wrong. Then it must not be called
    /// missing.
    pub(crate) fn is_incomplete(&self) -> bool {
        self.node.is_some_and(|node| self.positions.places[node as usize].incomplete)
    }
}

/// `services[2].worker.bindings[0]`
impl fmt::Display for Cursor<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut steps = Vec::new();
        let mut at = self;
        while let Some((parent, step)) = at.parent {
            steps.push(step);
            at = parent;
        }
        for (place, step) in steps.iter().rev().enumerate() {
            match step {
                Step::Field(name) if place == 0 => write!(f, "{name}")?,
                Step::Field(name) => write!(f, ".{name}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}
