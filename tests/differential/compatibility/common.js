module.exports = { default: "inner", named: 1, load: (name) => require(name) };
