@0xb5a1c2d4e5f60719;
using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("example");
using Workerd = import "/workerd/workerd.capnp";
const config @0xc5a1c2d4e5f6071a :Workerd.Config = (v8Flags = ["--a"]);
const other :UInt16 = 65535;
