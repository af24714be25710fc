# Escapes, concatenation, bytes, comments in odd places.
@0xd0c5a1f3b7e92469;
using Workerd = import "/workerd/workerd.capnp"; # after a declaration
const config :Workerd.Config = ( # after a parenthesis
  v8Flags = [
    "plain", "", "tab\tnew\nline\r\a\b\f\v", "quotes \" \' \\ \?", "octal \101\0\12 hex \x41\xc3\xa9",
    "two " "pieces" # between pieces
    " and a third",
    "Zażółć gęślą jaźń 日本語 🎉", "# not a comment", ("in parentheses"),
  ],
  services = [(worker = (modules = [
    (data = ""), (data = "text\x00as bytes\xff"), (data = 0x"00 ff7F 80
      aa"), (wasm = 0x"00 61 73 6d"), (text = "a\0b"),
  ]))],#right after
);
