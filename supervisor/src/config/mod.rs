//! Configuration: Cap'n Proto text or binary in, a checked [`Config`] out.

mod model;

pub use model::{
    Binding, BindingValue, Config, Designator, HeaderInjection, HttpOptions, HttpStyle, Loaded, Module, ModuleKind,
    Service, ServiceKind, Socket, Worker, WorkerSource,
};
