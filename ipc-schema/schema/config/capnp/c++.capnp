@0xbdf87d7bb8304e81;
# The annotations that configurations may carry for the C++ code generator. They mean nothing here; they exist so that
# a file that imports `/capnp/c++.capnp` loads.

annotation namespace @0xb9c6f99ebf805f2c (file) :Text;
annotation name @0xf264a779fef191ce (field, enumerant, struct, enum, interface, method, param, group, union) :Text;
annotation allowCancellation @0xac7096ff8cfc9dce (interface, method, file) :Void;
