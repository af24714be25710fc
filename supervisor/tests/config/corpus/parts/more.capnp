@0xa3b1c2d4e5f60719;
const date :Text = "2024-" "01" "-02";
