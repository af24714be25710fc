# Found through an import directory.
@0x9f3c1d5a7b2e4680;
const flags :List(Text) = ["--one", "--two"];
const nested :List(List(UInt8)) = [[1], [], [255, 0x10, 010]];
