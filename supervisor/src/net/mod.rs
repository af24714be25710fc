//! What connections are made of, beneath HTTP. Knows neither services nor processes.

pub mod tls;
