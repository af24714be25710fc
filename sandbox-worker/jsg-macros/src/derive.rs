//! The derive macros.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Attribute, Data, DeriveInput, Error, Fields, LitStr, Result, spanned::Spanned};

/// `name = "…"` of a `#[jsg(…)]` attribute.
fn jsg_name(attributes: &[Attribute]) -> Result<Option<String>> {
    let mut name = None;
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("jsg")) {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("name") {
                name = Some(meta.value()?.parse::<LitStr>()?.value());
                Ok(())
            } else {
                Err(meta.error("expected `name = \"…\"`"))
            }
        })?;
    }
    Ok(name)
}

fn skipped(attributes: &[Attribute]) -> Result<bool> {
    let mut skip = false;
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("trace")) {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("skip") {
                skip = true;
                Ok(())
            } else {
                Err(meta.error("expected `skip`"))
            }
        })?;
    }
    Ok(skip)
}

pub(crate) fn trace(item: TokenStream) -> Result<TokenStream> {
    let input: DeriveInput = syn::parse2(item)?;
    let name = &input.ident;
    let (impl_generics, type_generics, where_clause) = input.generics.split_for_impl();
    let body = match &input.data {
        Data::Struct(data) => {
            let mut parts = Vec::new();
            for (index, field) in data.fields.iter().enumerate() {
                if skipped(&field.attrs)? {
                    continue;
                }
                let member = match &field.ident {
                    Some(ident) => quote!(#ident),
                    None => {
                        let index = syn::Index::from(index);
                        quote!(#index)
                    }
                };
                parts.push(quote!(::jsg::Trace::trace(&self.#member, visitor);));
            }
            quote!(#(#parts)*)
        }
        Data::Enum(data) => {
            let mut arms = Vec::new();
            for variant in &data.variants {
                let variant_name = &variant.ident;
                let mut bindings = Vec::new();
                let mut calls = Vec::new();
                for (index, field) in variant.fields.iter().enumerate() {
                    let binding = quote::format_ident!("field{index}");
                    let skip = skipped(&field.attrs)?;
                    let pattern = if skip { quote!(_) } else { quote!(#binding) };
                    bindings.push(match &field.ident {
                        Some(ident) => quote!(#ident: #pattern),
                        None => pattern,
                    });
                    if !skip {
                        calls.push(quote!(::jsg::Trace::trace(#binding, visitor);));
                    }
                }
                arms.push(match &variant.fields {
                    Fields::Named(_) => quote!(Self::#variant_name { #(#bindings),* } => { #(#calls)* }),
                    Fields::Unnamed(_) => quote!(Self::#variant_name(#(#bindings),*) => { #(#calls)* }),
                    Fields::Unit => quote!(Self::#variant_name => {}),
                });
            }
            quote!(match self { #(#arms)* })
        }
        Data::Union(_) => return Err(Error::new(input.span(), "Trace cannot be derived for a union")),
    };
    Ok(quote! {
        impl #impl_generics ::jsg::Trace for #name #type_generics #where_clause {
            #[allow(unused_variables)]
            fn trace(&self, visitor: &mut ::v8::cppgc::Visitor) {
                #body
            }
        }
    })
}

/// The generics of a type that may have the lifetime `'s`, with that lifetime present.
fn with_scope_lifetime(generics: &syn::Generics) -> syn::Generics {
    let mut generics = generics.clone();
    if !generics.lifetimes().any(|lifetime| lifetime.lifetime.ident == "s") {
        generics.params.insert(0, syn::parse_quote!('s));
    }
    generics
}

fn from_js_impl(input: &DeriveInput, expected: TokenStream, matches: TokenStream, body: TokenStream) -> TokenStream {
    let name = &input.ident;
    let (_, type_generics, where_clause) = input.generics.split_for_impl();
    let with_lifetime = with_scope_lifetime(&input.generics);
    let (impl_generics, _, _) = with_lifetime.split_for_impl();
    quote! {
        impl #impl_generics ::jsg::FromJs<'s> for #name #type_generics #where_clause {
            fn expected() -> ::std::borrow::Cow<'static, str> {
                #expected
            }

            #matches

            #[allow(unused_variables)]
            fn from_js(
                scope: &mut ::v8::PinScope<'s, '_>,
                value: ::v8::Local<'s, ::v8::Value>,
                place: ::jsg::Place<'_>,
            ) -> ::jsg::Result<Self> {
                #body
            }
        }
    }
}

pub(crate) fn dict(item: TokenStream) -> Result<TokenStream> {
    let input: DeriveInput = syn::parse2(item)?;
    let Data::Struct(data) = &input.data else {
        return Err(Error::new(input.span(), "a dictionary is a struct with named fields"));
    };
    let dictionary = jsg_name(&input.attrs)?.unwrap_or_else(|| input.ident.to_string());
    let mut fields = Vec::new();
    for field in &data.fields {
        let Some(ident) = &field.ident else {
            return Err(Error::new(field.span(), "a dictionary is a struct with named fields"));
        };
        let name = jsg_name(&field.attrs)?.unwrap_or_else(|| crate::class::camel_case(&ident.to_string()));
        fields.push(quote!(#ident: ::jsg::field(scope, object, #dictionary, #name)?));
    }
    let body = quote! {
        let object = if value.is_null_or_undefined() {
            None
        } else {
            Some(::v8::Local::<::v8::Object>::try_from(value).map_err(|_| place.mismatch(#dictionary))?)
        };
        Ok(Self { #(#fields),* })
    };
    let matches = quote! {
        fn matches(_: &mut ::v8::PinScope<'s, '_>, value: ::v8::Local<'s, ::v8::Value>) -> bool {
            value.is_object() || value.is_null_or_undefined()
        }
    };
    Ok(from_js_impl(&input, quote!(#dictionary.into()), matches, body))
}

pub(crate) fn enumeration(item: TokenStream) -> Result<TokenStream> {
    let input: DeriveInput = syn::parse2(item)?;
    let Data::Enum(data) = &input.data else {
        return Err(Error::new(input.span(), "an enumeration is an enum without fields"));
    };
    let enumeration = jsg_name(&input.attrs)?.unwrap_or_else(|| input.ident.to_string());
    let mut values = Vec::new();
    let mut idents = Vec::new();
    for variant in &data.variants {
        if !matches!(variant.fields, Fields::Unit) {
            return Err(Error::new(variant.span(), "an enumeration is an enum without fields"));
        }
        values.push(jsg_name(&variant.attrs)?.unwrap_or_else(|| variant.ident.to_string().to_lowercase()));
        idents.push(&variant.ident);
    }
    let body = quote! {
        let text = <::std::string::String as ::jsg::FromJs>::from_js(scope, value, place)?;
        match text.as_str() {
            #(#values => Ok(Self::#idents),)*
            _ => Err(place.mismatch(#enumeration)),
        }
    };
    let from = from_js_impl(&input, quote!(#enumeration.into()), quote!(), body);
    let name = &input.ident;
    Ok(quote! {
        #from

        impl #name {
            /// The value as scripts see it.
            #[allow(dead_code)]
            pub fn as_str(&self) -> &'static str {
                match self { #(Self::#idents => #values),* }
            }
        }

        impl<'s> ::jsg::ToJs<'s> for #name {
            fn to_js(self, scope: &mut ::v8::PinScope<'s, '_>) -> ::jsg::Result<::v8::Local<'s, ::v8::Value>> {
                Ok(::jsg::string(scope, self.as_str()).into())
            }
        }
    })
}

pub(crate) fn union(item: TokenStream) -> Result<TokenStream> {
    let input: DeriveInput = syn::parse2(item)?;
    let Data::Enum(data) = &input.data else {
        return Err(Error::new(input.span(), "a union is an enum whose variants have one field"));
    };
    let mut idents = Vec::new();
    let mut types = Vec::new();
    for variant in &data.variants {
        let Fields::Unnamed(fields) = &variant.fields else {
            return Err(Error::new(variant.span(), "a member of a union is a variant with one field"));
        };
        let Some(field) = fields.unnamed.first().filter(|_| fields.unnamed.len() == 1) else {
            return Err(Error::new(variant.span(), "a member of a union is a variant with one field"));
        };
        idents.push(&variant.ident);
        types.push(&field.ty);
    }
    let expected = match jsg_name(&input.attrs)? {
        Some(name) => quote!(#name.into()),
        None => quote!([#(<#types as ::jsg::FromJs>::expected()),*].join(" or ").into()),
    };
    let matches = quote! {
        fn matches(scope: &mut ::v8::PinScope<'s, '_>, value: ::v8::Local<'s, ::v8::Value>) -> bool {
            #(<#types as ::jsg::FromJs>::matches(scope, value))||*
        }
    };
    let body = quote! {
        #(if <#types as ::jsg::FromJs>::matches(scope, value) {
            return <#types as ::jsg::FromJs>::from_js(scope, value, place).map(Self::#idents);
        })*
        Err(place.mismatch(&<Self as ::jsg::FromJs>::expected()))
    };
    Ok(from_js_impl(&input, expected, matches, body))
}
