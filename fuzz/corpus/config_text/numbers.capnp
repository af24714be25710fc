const a :UInt64 = 0xffffffffffffffff; const b :Float32 = -1.5e-3; const c :List(Int8) = [1, -0x80, 0177,];
const d :Data = 0x"de ad"; const e :Bool = true; const f :Void = void; const g :Float64 = inf; const h :Float64 = nan;
