//! The macros of `jsg`: what they generate is documented there, with the rules for authors.

mod class;
mod derive;

use proc_macro::TokenStream;

/// Makes a JavaScript class of an inherent `impl` block.
///
/// Options: `name = "…"` (default: the name of the type), `extends = Base` (the value has a field `base: Base`),
/// `iterable` (the type implements `PairIterable`), `iterator` (adds `@@iterator` that returns the receiver).
///
/// Members: `#[constructor]`, `#[method]`, `#[static_method]`, `#[getter]`, `#[setter]`, `#[called]` (what an object does when it is called), each with `name = "…"` if wanted,
/// and `promise` for operations that return promises; associated constants with `#[constant]`. `flag = FLAG` makes a member
/// that is there only while a compatibility flag is on, `unless = FLAG` one that is there only while it is off; `FLAG` is a
/// constant with a method `name()`.
#[proc_macro_attribute]
pub fn class(options: TokenStream, item: TokenStream) -> TokenStream {
    class::expand(options.into(), item.into()).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Implements `jsg::Trace` by tracing every field; `#[trace(skip)]` leaves one out that holds no JavaScript value.
#[proc_macro_derive(Trace, attributes(trace))]
pub fn trace(item: TokenStream) -> TokenStream {
    derive::trace(item.into()).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Makes a Web IDL dictionary of a struct: members are read in the order of the fields, by camel-case names or
/// `#[jsg(name = "…")]`; a field is required unless its type is `Option`. `#[jsg(name = "…")]` on the struct names the
/// dictionary in exception texts.
#[proc_macro_derive(Dict, attributes(jsg))]
pub fn dict(item: TokenStream) -> TokenStream {
    derive::dict(item.into()).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Makes a Web IDL enumeration of an enum without fields: values are the lower-case names or `#[jsg(name = "…")]`.
#[proc_macro_derive(Enum, attributes(jsg))]
pub fn enumeration(item: TokenStream) -> TokenStream {
    derive::enumeration(item.into()).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Makes a Web IDL union of an enum whose variants have one field each: the first variant whose type matches is chosen.
/// `#[jsg(name = "…")]` on the enum names the union in exception texts.
#[proc_macro_derive(Union, attributes(jsg))]
pub fn union(item: TokenStream) -> TokenStream {
    derive::union(item.into()).unwrap_or_else(syn::Error::into_compile_error).into()
}
