//! What both sides say of events that failed, in the reference's words.

/// Of an event for which nothing is left that could bring it to an end.
pub const HUNG: &str = "Error: The Workers runtime canceled this request because it detected that your Worker's code had \
                        hung and would never generate a response. Refer to: \
                        https://developers.cloudflare.com/workers/observability/errors/";

/// Of an event whose entrypoint has no handler for it: the handler's name as it would be exported.
pub fn no_handler(name: &str) -> String {
    format!("Handler does not export a {name}() function.")
}
