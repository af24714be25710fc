export default { of: "default" };
export const other = 1;
