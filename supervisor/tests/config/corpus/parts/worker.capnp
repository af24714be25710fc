@0xa3b1c2d4e5f60718;
using Workerd = import "/workerd/workerd.capnp";
using Here = import "more.capnp";
const main :Workerd.Worker = (
  modules = .modules,
  compatibilityDate = Here.date,
);
const modules :List(Workerd.Worker.Module) = [
  (name = "main", esModule = embed "main.js"),
  (name = "bytes", data = embed "bytes.bin"),
];
