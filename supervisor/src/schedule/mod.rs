//! Schedules: when workers run without being asked.
//!
//! [`Expression`] is what the operator wrote, [`Plan`] decides what is due, as a function of what the clock says.
//! Nothing here reads a clock or runs anything: `shard/clock.rs` does.

mod calendar;
mod expression;
#[cfg(test)]
mod naive;
mod plan;

pub use self::{
    calendar::Minute,
    expression::{Expression, ExpressionError},
    plan::{Look, Plan},
};
