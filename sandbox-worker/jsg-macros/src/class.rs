//! `#[jsg::class]`.

use std::collections::BTreeMap;

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote};
use syn::{
    Attribute, Error, FnArg, Ident, ImplItem, ImplItemConst, ImplItemFn, ItemImpl, LitCStr, LitStr, Pat, Path, Result,
    Type, parse::Parser, spanned::Spanned,
};

/// `get_set_cookie` → `getSetCookie`.
pub(crate) fn camel_case(name: &str) -> String {
    let mut out = String::new();
    let mut upper = false;
    for character in name.trim_start_matches("r#").chars() {
        if character == '_' {
            upper = !out.is_empty();
        } else if upper {
            out.extend(character.to_uppercase());
            upper = false;
        } else {
            out.push(character);
        }
    }
    out
}

#[derive(Default)]
struct Options {
    name: Option<String>,
    extends: Option<Path>,
    iterable: bool,
    iterator: bool,
}

fn options(tokens: TokenStream) -> Result<Options> {
    let mut options = Options::default();
    let parser = syn::meta::parser(|meta| {
        if meta.path.is_ident("name") {
            options.name = Some(meta.value()?.parse::<LitStr>()?.value());
        } else if meta.path.is_ident("extends") {
            options.extends = Some(meta.value()?.parse()?);
        } else if meta.path.is_ident("iterable") {
            options.iterable = true;
        } else if meta.path.is_ident("iterator") {
            options.iterator = true;
        } else {
            return Err(meta.error("unknown option of jsg::class"));
        }
        Ok(())
    });
    parser.parse2(tokens)?;
    Ok(options)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Constructor,
    Method,
    Static,
    Getter,
    Setter,
    Called,
}

struct Member {
    kind: Kind,
    name: Option<String>,
    promise: bool,
    /// A compatibility flag, and whether the member is there while it is on, or while it is off.
    flag: Option<(Path, bool)>,
}

/// Reads and removes the member attribute of an item.
fn take_member(attributes: &mut Vec<Attribute>) -> Result<Option<Member>> {
    let mut found = None;
    let mut failure = None;
    attributes.retain(|attribute| {
        let kind = match attribute.path().get_ident().map(ToString::to_string).as_deref() {
            Some("constructor") => Kind::Constructor,
            Some("method") => Kind::Method,
            Some("static_method") => Kind::Static,
            Some("getter") => Kind::Getter,
            Some("setter") => Kind::Setter,
            Some("called") => Kind::Called,
            _ => return true,
        };
        let mut member = Member { kind, name: None, promise: false, flag: None };
        if !matches!(attribute.meta, syn::Meta::Path(_)) {
            let parsed = attribute.parse_nested_meta(|meta| {
                if meta.path.is_ident("name") {
                    member.name = Some(meta.value()?.parse::<LitStr>()?.value());
                    Ok(())
                } else if meta.path.is_ident("promise") {
                    member.promise = true;
                    Ok(())
                } else if meta.path.is_ident("flag") || meta.path.is_ident("unless") {
                    let on = meta.path.is_ident("flag");
                    member.flag = Some((meta.value()?.parse()?, on));
                    Ok(())
                } else {
                    Err(meta.error("expected `name = \"…\"`, `promise`, `flag = FLAG` or `unless = FLAG`"))
                }
            });
            failure = failure.take().or(parsed.err());
        }
        found = Some(member);
        false
    });
    match failure {
        Some(failure) => Err(failure),
        None => Ok(found),
    }
}

/// The last segment of a type's path.
fn last_segment(ty: &Type) -> Option<String> {
    match ty {
        Type::Path(path) => path.path.segments.last().map(|segment| segment.ident.to_string()),
        _ => None,
    }
}

/// What is generated of a class, as its members are looked at.
struct Parts {
    ty: Box<Type>,
    class_name: String,
    krate: Path,
    functions: Vec<TokenStream>,
    definitions: Vec<TokenStream>,
    conditions: Vec<TokenStream>,
    /// By the place of the definition: a name, its getter, its setter.
    accessors: BTreeMap<usize, (String, Option<Ident>, Option<Ident>)>,
    constructor: Option<TokenStream>,
}

/// How the parameters of a member come from the arguments of a call.
struct Parameters {
    has_self: bool,
    /// Statements that convert the arguments.
    prepare: Vec<TokenStream>,
    /// What is passed on.
    pass: Vec<TokenStream>,
}

pub(crate) fn expand(attribute: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let options = options(attribute)?;
    let mut item: ItemImpl = syn::parse2(item)?;
    let ty = item.self_ty.clone();
    let Some(type_name) = last_segment(&ty) else {
        return Err(Error::new(ty.span(), "jsg::class needs a type with a name"));
    };
    let mut parts = Parts {
        ty,
        class_name: options.name.clone().unwrap_or(type_name),
        krate: syn::parse_quote!(::jsg),
        functions: Vec::new(),
        definitions: Vec::new(),
        conditions: Vec::new(),
        accessors: BTreeMap::new(),
        constructor: None,
    };
    for entry in &mut item.items {
        match entry {
            ImplItem::Const(constant) => parts.constant(constant),
            ImplItem::Fn(function) => {
                if let Some(member) = take_member(&mut function.attrs)? {
                    parts.member(function, member);
                }
            }
            _ => {}
        }
    }
    parts.define_accessors();
    if options.iterable {
        parts.iterable();
    }
    if options.iterator {
        parts.iterator();
    }
    let class = parts.class(options.extends.as_ref())?;
    Ok(quote! {
        #item

        #class
    })
}

impl Parts {
    fn constant(&mut self, constant: &mut ImplItemConst) {
        let before = constant.attrs.len();
        constant.attrs.retain(|attribute| !attribute.path().is_ident("constant"));
        if constant.attrs.len() != before {
            let (ty, ident) = (&self.ty, &constant.ident);
            let name = ident.to_string();
            self.definitions.push(quote!(builder.constant(#name, f64::from(<#ty>::#ident));));
        }
    }

    fn member(&mut self, function: &ImplItemFn, member: Member) {
        let krate = &self.krate;
        let rust_name = &function.sig.ident;
        let plain = rust_name.to_string();
        let default_name = match member.kind {
            Kind::Setter => camel_case(plain.strip_prefix("set_").unwrap_or(&plain)),
            // The reference's words for it.
            Kind::Called => "(called as function)".to_owned(),
            _ => camel_case(&plain),
        };
        let name = member.name.unwrap_or(default_name);
        if let Some((flag, on)) = &member.flag {
            let is_static = member.kind == Kind::Static;
            self.conditions.push(quote! {
                #krate::Condition { member: #name, is_static: #is_static, flag: #flag.name(), on: #on }
            });
        }
        let parameters = self.parameters(function, member.kind, &name);
        if member.kind == Kind::Constructor {
            self.constructor = Some(self.construct(function, &parameters));
            return;
        }
        let callback = self.callback(rust_name, member.promise, &parameters);
        self.define(member.kind, name, callback);
    }

    fn parameters(&self, function: &ImplItemFn, kind: Kind, name: &str) -> Parameters {
        let (class_name, krate) = (&self.class_name, &self.krate);
        let mut has_self = false;
        let mut prepare = Vec::new();
        let mut pass = Vec::new();
        let mut index = 0usize;
        for input in &function.sig.inputs {
            let typed = match input {
                FnArg::Receiver(_) => {
                    has_self = true;
                    continue;
                }
                FnArg::Typed(typed) => typed,
            };
            let argument_name = match &*typed.pat {
                Pat::Ident(ident) => ident.ident.to_string(),
                _ => String::new(),
            };
            if argument_name == "scope" || argument_name == "_scope" {
                pass.push(quote!(scope));
                continue;
            }
            let argument_type = &typed.ty;
            match last_segment(argument_type).as_deref() {
                Some("Receiver") => {
                    pass.push(quote!(#krate::glue::Receiver(arguments.this())));
                    continue;
                }
                Some("Rest") => {
                    let binding = format_ident!("argument{index}");
                    prepare.push(quote! {
                        let #binding: #argument_type = #krate::glue::rest(scope, arguments, #index as i32, |index| {
                            #krate::Place::Argument(#class_name, #name, index)
                        })?;
                    });
                    pass.push(quote!(#binding));
                    continue;
                }
                _ => {}
            }
            let binding = format_ident!("argument{index}");
            let place = match kind {
                Kind::Constructor => quote!(#krate::Place::Constructor(#class_name, #index)),
                Kind::Setter => quote!(#krate::Place::Attribute(#class_name, #name)),
                _ => quote!(#krate::Place::Argument(#class_name, #name, #index)),
            };
            prepare.push(quote! {
                let #binding: #argument_type =
                    #krate::glue::argument(scope, arguments, #index as i32, #place)?;
            });
            pass.push(quote!(#binding));
            index += 1;
        }
        Parameters { has_self, prepare, pass }
    }

    /// The body of `new`.
    fn construct(&self, function: &ImplItemFn, parameters: &Parameters) -> TokenStream {
        let (ty, krate) = (&self.ty, &self.krate);
        let Parameters { prepare, pass, .. } = parameters;
        let rust_name = &function.sig.ident;
        let body = format_ident!("jsg_body_{}", rust_name);
        let fallible = match &function.sig.output {
            syn::ReturnType::Type(_, ty) => last_segment(ty).is_some_and(|name| name == "Result"),
            syn::ReturnType::Default => false,
        };
        let call =
            if fallible { quote!(<#ty>::#rust_name(#(#pass),*)) } else { quote!(Ok(<#ty>::#rust_name(#(#pass),*))) };
        quote! {
            #[allow(unused_variables, clippy::needless_question_mark)]
            fn #body<'s>(
                scope: &mut ::v8::PinScope<'s, '_>,
                arguments: &::v8::FunctionCallbackArguments<'s>,
            ) -> #krate::Result<#ty> {
                #(#prepare)*
                #call
            }
            let made = #body(scope, &arguments);
            #krate::glue::construct::<#ty>(scope, &arguments, made);
        }
    }

    /// Adds the function that V8 calls for an operation or an attribute; gives its name.
    fn callback(&mut self, rust_name: &Ident, is_promise: bool, parameters: &Parameters) -> Ident {
        let (ty, krate) = (&self.ty, &self.krate);
        let Parameters { has_self, prepare, pass } = parameters;
        let body = format_ident!("jsg_body_{}", rust_name);
        let callback = format_ident!("jsg_callback_{}", rust_name);
        let call =
            if *has_self { quote!(<#ty>::#rust_name(this, #(#pass),*)) } else { quote!(<#ty>::#rust_name(#(#pass),*)) };
        let this = has_self.then(|| quote!(let this = #krate::glue::this::<#ty>(scope, arguments)?;));
        let finish = if is_promise {
            quote!(#krate::glue::finish_promise(scope, &arguments, rv, #body);)
        } else {
            quote! {
                let result = #body(scope, &arguments);
                #krate::glue::finish(scope, rv, result);
            }
        };
        // What is wrong with the arguments, and what the operation itself gives, are told apart where they matter.
        let (result_type, outcome) = if is_promise {
            let ty = quote!(#krate::Result<#krate::Result<::v8::Local<'s, ::v8::Value>>>);
            (ty, quote!(Ok(#krate::ToJs::to_js(result, scope))))
        } else {
            (quote!(#krate::Result<::v8::Local<'s, ::v8::Value>>), quote!(#krate::ToJs::to_js(result, scope)))
        };
        self.functions.push(quote! {
            #[allow(non_snake_case, unused_variables, clippy::let_unit_value, clippy::unit_arg, clippy::too_many_arguments)]
            fn #body<'s>(
                scope: &mut ::v8::PinScope<'s, '_>,
                arguments: &::v8::FunctionCallbackArguments<'s>,
            ) -> #result_type {
                #this
                #(#prepare)*
                let result = #call;
                #outcome
            }

            #[allow(non_snake_case)]
            fn #callback<'s>(
                scope: &mut ::v8::PinScope<'s, '_>,
                arguments: ::v8::FunctionCallbackArguments<'s>,
                rv: ::v8::ReturnValue<'s, ::v8::Value>,
            ) {
                #finish
            }
        });
        callback
    }

    fn define(&mut self, kind: Kind, name: String, callback: Ident) {
        match kind {
            Kind::Method => self.definitions.push(quote!(builder.method(#name, ::v8::MapFnTo::map_fn_to(#callback));)),
            Kind::Static => {
                self.definitions.push(quote!(builder.static_method(#name, ::v8::MapFnTo::map_fn_to(#callback));));
            }
            Kind::Getter | Kind::Setter => {
                let slot = self
                    .accessors
                    .iter()
                    .find(|(_, (known, ..))| *known == name)
                    .map_or(self.definitions.len(), |(slot, _)| *slot);
                if slot == self.definitions.len() {
                    self.definitions.push(TokenStream::new());
                }
                let accessor = self.accessors.entry(slot).or_insert_with(|| (name.clone(), None, None));
                match kind {
                    Kind::Getter => accessor.1 = Some(callback),
                    _ => accessor.2 = Some(callback),
                }
            }
            Kind::Called => self.definitions.push(quote! {
                builder.called(::v8::MapFnTo::map_fn_to(#callback), |template| {
                    template.set_call_as_function_handler(#callback, None);
                });
            }),
            Kind::Constructor => {}
        }
    }

    fn define_accessors(&mut self) {
        for (slot, (name, getter, setter)) in std::mem::take(&mut self.accessors) {
            let raw = |callback: Option<Ident>| match callback {
                Some(callback) => quote!(Some(::v8::MapFnTo::map_fn_to(#callback))),
                None => quote!(None),
            };
            let (getter, setter) = (raw(getter), raw(setter));
            self.definitions[slot] = quote!(builder.accessor(#name, #getter, #setter););
        }
    }

    /// `entries`, `keys`, `values`, `forEach` and `@@iterator`.
    fn iterable(&mut self) {
        let (ty, krate) = (&self.ty, &self.krate);
        let (kinds, names) = (["Entries", "Keys", "Values"], ["entries", "keys", "values"]);
        for (kind, name) in kinds.into_iter().zip(names) {
            let kind = Ident::new(kind, Span::call_site());
            let callback = format_ident!("jsg_iterator_{name}");
            self.functions.push(quote! {
                fn #callback<'s>(
                    scope: &mut ::v8::PinScope<'s, '_>,
                    arguments: ::v8::FunctionCallbackArguments<'s>,
                    rv: ::v8::ReturnValue<'s, ::v8::Value>,
                ) {
                    let result = #krate::glue::this::<#ty>(scope, &arguments).and_then(|_| {
                        #krate::iterator::<#ty>(scope, arguments.this(), #krate::glue::Kind::#kind)
                    });
                    #krate::glue::finish(scope, rv, result);
                }
            });
            self.definitions.push(if name == "entries" {
                quote! {
                    builder.iterator_method(Some("entries"), "entries", ::v8::MapFnTo::map_fn_to(#callback));
                }
            } else {
                quote!(builder.method(#name, ::v8::MapFnTo::map_fn_to(#callback));)
            });
        }
        self.functions.push(quote! {
            fn jsg_for_each<'s>(
                scope: &mut ::v8::PinScope<'s, '_>,
                arguments: ::v8::FunctionCallbackArguments<'s>,
                rv: ::v8::ReturnValue<'s, ::v8::Value>,
            ) {
                let result = #krate::glue::for_each::<#ty>(scope, &arguments);
                #krate::glue::finish(scope, rv, result);
            }
        });
        self.definitions.push(quote!(builder.method("forEach", ::v8::MapFnTo::map_fn_to(jsg_for_each));));
    }

    /// `@@iterator` that gives the object itself.
    fn iterator(&mut self) {
        self.functions.push(quote! {
            fn jsg_self<'s>(
                scope: &mut ::v8::PinScope<'s, '_>,
                arguments: ::v8::FunctionCallbackArguments<'s>,
                mut rv: ::v8::ReturnValue<'s, ::v8::Value>,
            ) {
                rv.set(arguments.this().into());
            }
        });
        self.definitions.push(quote! {
            builder.iterator_method(None, "[Symbol.iterator]", ::v8::MapFnTo::map_fn_to(jsg_self));
        });
    }

    /// The description of the class that this one extends.
    fn parent(&self, extends: Option<&Path>) -> TokenStream {
        let (ty, krate) = (&self.ty, &self.krate);
        match extends {
            Some(base) => quote! {
                Some((
                    <#base as #krate::Class>::info,
                    {
                        // SAFETY of the callers: the pointer is at a live value of this class.
                        unsafe fn upcast(value: *const ()) -> *const () {
                            // SAFETY: see above; the offset is that of a field.
                            unsafe { ::std::ptr::from_ref(&(*value.cast::<#ty>()).base).cast() }
                        }
                        upcast
                    },
                ))
            },
            None => quote!(None),
        }
    }

    /// The implementations that make the type a class.
    fn class(&self, extends: Option<&Path>) -> Result<TokenStream> {
        let Parts { ty, class_name, krate, functions, definitions, conditions, .. } = self;
        let illegal = || quote!(#krate::Error::type_error("Illegal constructor").throw(scope););
        // What scripts cannot construct says that in whatever way it is called.
        let without_new = match self.constructor {
            Some(_) => quote!(#krate::glue::without_new(#class_name).throw(scope);),
            None => illegal(),
        };
        let construct = self.constructor.clone().unwrap_or_else(illegal);
        let parent = self.parent(extends);
        let c_name = std::ffi::CString::new(class_name.as_str()).map_err(|error| Error::new(ty.span(), error))?;
        let c_name = LitCStr::new(&c_name, Span::call_site());
        let conversions = self.conversions();
        Ok(quote! {
            #[allow(clippy::missing_docs_in_private_items)]
            const _: () = {
                fn jsg_construct<'s>(
                    scope: &mut ::v8::PinScope<'s, '_>,
                    arguments: ::v8::FunctionCallbackArguments<'s>,
                    rv: ::v8::ReturnValue<'s, ::v8::Value>,
                ) {
                    let _ = rv;
                    if !arguments.is_construct_call() {
                        #without_new
                        return;
                    }
                    #construct
                }

                #(#functions)*

                impl #krate::Class for #ty {
                    const NAME: &'static str = #class_name;

                    fn info() -> &'static #krate::ClassInfo {
                        static INFO: ::std::sync::LazyLock<#krate::ClassInfo> =
                            ::std::sync::LazyLock::new(|| #krate::ClassInfo {
                                name: #class_name,
                                c_name: #c_name,
                                parent: #parent,
                                callback: ::v8::MapFnTo::map_fn_to(jsg_construct),
                                define: |builder: &mut dyn #krate::Members| {
                                    let _ = &builder;
                                    #(#definitions)*
                                },
                                conditions: const { &[#(#conditions),*] },
                                index: <#ty as #krate::Listed>::INDEX,
                            });
                        &INFO
                    }
                }

                #conversions
            };
        })
    }

    /// From and to values of scripts.
    fn conversions(&self) -> TokenStream {
        let Parts { ty, class_name, krate, .. } = self;
        quote! {
            impl<'s> #krate::ToJs<'s> for #ty {
                fn to_js(self, scope: &mut ::v8::PinScope<'s, '_>) -> #krate::Result<::v8::Local<'s, ::v8::Value>> {
                    #krate::instantiate(scope, self).map(Into::into)
                }
            }

            impl<'s> #krate::FromJs<'s> for &'s #ty {
                fn expected() -> ::std::borrow::Cow<'static, str> {
                    #class_name.into()
                }

                fn matches(scope: &mut ::v8::PinScope<'s, '_>, value: ::v8::Local<'s, ::v8::Value>) -> bool {
                    #krate::unwrap_value::<#ty>(scope, value).is_some()
                }

                fn from_js(
                    scope: &mut ::v8::PinScope<'s, '_>,
                    value: ::v8::Local<'s, ::v8::Value>,
                    place: #krate::Place<'_>,
                ) -> #krate::Result<Self> {
                    #krate::unwrap_value::<#ty>(scope, value).ok_or_else(|| place.mismatch(#class_name))
                }
            }
        }
    }
}
