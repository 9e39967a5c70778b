/**
 * Prints values by Go templates as `docker --format` does, with docker's functions: json, join, split, title, lower, upper,
 * pad, truncate, println, and Go's index, len, eq, ne, lt, gt, and, or, not, print, printf with %s %q %v %d.
 *
 * Pure.
 */
import { didYouMean } from '../util/suggest.js';
import { formatTable } from '../util/tabwriter.js';
import { type Call, type Node, type Operand, parseTemplate, refuse } from './template-parse.js';

/** Made once for all rows of a listing. Throws UsageError. */
export function compileTemplate(template: string): (value: unknown) => string {
  // A shell leaves \n and \t as they are written; docker replaces them.
  const nodes = parseTemplate(template.replaceAll('\\n', '\n').replaceAll('\\t', '\t'));
  return (value) => run(nodes, { dot: value, variables: new Map([['$', value]]) });
}

/** "table {{.ID}}\t{{.Size}}" has a header; "json" is a line of JSON for each row. */
export function formatRows(
  format: string,
  rows: readonly object[],
  titles: { readonly [field: string]: string },
): string {
  if (format === 'json') return rows.map((row) => `${JSON.stringify(row)}\n`).join('');
  const isTable = format.startsWith('table ');
  const template = compileTemplate(isTable ? format.slice('table '.length) : format);
  const lines = rows.map((row) => template(row));
  if (!isTable) return lines.map((line) => `${line}\n`).join('');
  return formatTable([template(titles), ...lines].map((line) => line.split('\t')));
}

interface Scope {
  readonly dot: unknown;
  readonly variables: Map<string, unknown>;
}

const run = (nodes: readonly Node[], scope: Scope): string => nodes.map((node) => runNode(node, scope)).join('');

function runNode(node: Node, scope: Scope): string {
  if (node.kind === 'text') return node.text;
  const value = evaluate(node.pipeline, scope);
  if (node.kind === 'print') return show(value);
  if (node.kind === 'assign') {
    scope.variables.set(node.variable, value);
    return '';
  }
  if (node.kind === 'range') return runRange(node, value, scope);
  const inner = node.kind === 'with' ? { ...scope, dot: value } : scope;
  const [variable] = node.variables;
  if (variable !== undefined) scope.variables.set(variable, value);
  return isTrue(value) ? run(node.body, inner) : run(node.otherwise, scope);
}

function runRange(node: Extract<Node, { body: unknown }>, value: unknown, scope: Scope): string {
  const entries = Array.isArray(value) ? [...value.entries()] : isMap(value) ? sortedEntries(value) : [];
  if (entries.length === 0) return run(node.otherwise, scope);
  const names = node.variables.length > 1 ? node.variables : [undefined, node.variables[0]];
  return entries
    .map(([key, item]) => {
      const variables = new Map(scope.variables);
      names.forEach((name, at) => {
        if (name !== undefined) variables.set(name, at === 0 ? key : item);
      });
      return run(node.body, { dot: item, variables });
    })
    .join('');
}

/** Go ranges over maps in the order of their keys. */
const sortedEntries = (map: object): [string, unknown][] =>
  Object.entries(map).sort(([a], [b]) => (a < b ? -1 : Number(a > b)));

const isMap = (value: unknown): value is object => typeof value === 'object' && value !== null && !Array.isArray(value);

function evaluate(pipeline: readonly Call[], scope: Scope): unknown {
  let piped: readonly unknown[] = [];
  for (const { name, args } of pipeline) {
    const values = [...args.map((arg) => operandValue(arg, scope)), ...piped];
    piped = [name === undefined ? values[0] : call(name, values)];
  }
  return piped[0];
}

function operandValue(operand: Operand, scope: Scope): unknown {
  if (operand.kind === 'value') return operand.value;
  if (operand.kind === 'pipeline') return walk(evaluate(operand.commands, scope), operand.names);
  const { variable, names } = operand;
  if (variable !== undefined && !scope.variables.has(variable)) throw refuse(`undefined variable ${variable}`);
  return walk(variable === undefined ? scope.dot : scope.variables.get(variable), names);
}

function walk(from: unknown, names: readonly string[]): unknown {
  return names.reduce((value: unknown, name) => {
    if (isMap(value) && Object.hasOwn(value, name)) return Reflect.get(value, name);
    // Fields of Go's structs are upper case; keys of maps, as labels are, may well be missing.
    if (!/^[A-Z]/.test(name) || value === undefined) return undefined;
    const hint = isMap(value) ? didYouMean(name, Object.keys(value)) : undefined;
    throw refuse(`there is no field .${name}${hint === undefined ? '' : `: ${hint}`}`);
  }, from);
}

type Fn = (...args: unknown[]) => unknown;

const text = (value: unknown): string => (typeof value === 'string' ? value : show(value));
const compare = (a: unknown, b: unknown): number =>
  typeof a === 'number' && typeof b === 'number' ? a - b : text(a) < text(b) ? -1 : Number(text(a) > text(b));

const FUNCTIONS: { readonly [name: string]: Fn } = {
  json: (value) => JSON.stringify(value ?? null),
  join: (list, separator) => (Array.isArray(list) ? list.map(text).join(text(separator)) : ''),
  split: (value, separator) => text(value).split(text(separator)),
  lower: (value) => text(value).toLowerCase(),
  upper: (value) => text(value).toUpperCase(),
  title: (value) => text(value).replace(/\b\w/g, (letter) => letter.toUpperCase()),
  pad: (value, before, after) => ' '.repeat(Number(before)) + text(value) + ' '.repeat(Number(after)),
  truncate: (value, length) => text(value).slice(0, Number(length)),
  print: (...args) => args.map(text).join(''),
  println: (...args) => `${args.map(text).join(' ')}\n`,
  printf: (format, ...args) => printf(text(format), args),
  len: (value) =>
    typeof value === 'string'
      ? Buffer.byteLength(value)
      : isMap(value)
        ? Object.keys(value).length
        : Array.isArray(value)
          ? value.length
          : 0,
  index: (value, ...keys) => keys.reduce((found: unknown, key) => at(found, key), value),
  eq: (first, ...others) => others.some((other) => first === other),
  ne: (a, b) => a !== b,
  lt: (a, b) => compare(a, b) < 0,
  le: (a, b) => compare(a, b) <= 0,
  gt: (a, b) => compare(a, b) > 0,
  ge: (a, b) => compare(a, b) >= 0,
  and: (...args) => args.find((arg) => !isTrue(arg)) ?? args.at(-1),
  or: (...args) => args.find((arg) => isTrue(arg)) ?? args.at(-1),
  not: (value) => !isTrue(value),
};

function call(name: string, args: unknown[]): unknown {
  const found = Object.hasOwn(FUNCTIONS, name) ? FUNCTIONS[name] : undefined;
  if (found === undefined) throw refuse(`function "${name}" not defined`);
  return found(...args);
}

/** Go's index of a map gives the zero value for a key that is not there. */
function at(value: unknown, key: unknown): unknown {
  if (Array.isArray(value)) {
    if (typeof key === 'number' && key >= 0 && key < value.length) return value[key];
    throw refuse(`index out of range: ${show(key)}`);
  }
  return isMap(value) && Object.hasOwn(value, String(key)) ? Reflect.get(value, String(key)) : '';
}

function printf(format: string, args: readonly unknown[]): string {
  let next = 0;
  return format.replace(/%(-?\d*)([sqvd%])/g, (_, width: string, verb: string) => {
    if (verb === '%') return '%';
    const value = verb === 'q' ? JSON.stringify(text(args[next++])) : text(args[next++]);
    return width.startsWith('-') ? value.padEnd(Number(width.slice(1))) : value.padStart(Number(width));
  });
}

function isTrue(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0;
  return isMap(value) ? Object.keys(value).length > 0 : Boolean(value);
}

/** As Go's %v. */
function show(value: unknown): string {
  if (value === undefined) return '<no value>';
  if (value === null) return '<nil>';
  if (Array.isArray(value)) return `[${value.map(show).join(' ')}]`;
  if (!isMap(value)) return String(value);
  return `map[${sortedEntries(value)
    .map(([key, item]) => `${key}:${show(item)}`)
    .join(' ')}]`;
}
