/**
 * Reads what docker's users give to --format: Go's text/template, as much of it as command lines use. Actions: fields,
 * calls, pipelines, variables, if, else, range, with, end, comments, trim marks.
 *
 * Pure.
 */
import { UsageError } from '../errors.js';
import { quote } from '../util/quote.js';

export type Operand =
  | { readonly kind: 'value'; readonly value: string | number | boolean | null }
  | { readonly kind: 'path'; readonly variable: string | undefined; readonly names: readonly string[] }
  | { readonly kind: 'pipeline'; readonly commands: readonly Call[]; readonly names: readonly string[] };

/** A function with arguments, or one operand. */
export interface Call {
  readonly name: string | undefined;
  readonly args: readonly Operand[];
}

export type Node =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'print'; readonly pipeline: readonly Call[] }
  | { readonly kind: 'assign'; readonly variable: string; readonly pipeline: readonly Call[] }
  | {
      readonly kind: 'if' | 'range' | 'with';
      /** range $index, $item := … */
      readonly variables: readonly string[];
      readonly pipeline: readonly Call[];
      readonly body: readonly Node[];
      readonly otherwise: readonly Node[];
    };

type Piece = { readonly text: string } | { readonly action: string };

export function refuse(reason: string): UsageError {
  return new UsageError(`--format: ${reason}`, '--format', 'it is a Go template as docker takes it, or "json"');
}

const ACTION = /\{\{(- )?((?:"(?:\\.|[^"\\])*"|`[^`]*`|\/\*[\s\S]*?\*\/|[^}"`]|\}(?!\}))*?)( -)?\}\}/g;

/** `{{-` and `-}}` take the white space beside them away. */
function pieces(template: string): Piece[] {
  const found: Piece[] = [];
  let at = 0;
  let trimNext = false;
  const push = (text: string, trimEnd: boolean) => {
    const begun = trimNext ? text.trimStart() : text;
    found.push({ text: trimEnd ? begun.trimEnd() : begun });
  };
  for (const match of template.matchAll(ACTION)) {
    push(template.slice(at, match.index), match[1] !== undefined);
    found.push({ action: (match[2] ?? '').trim() });
    at = match.index + match[0].length;
    trimNext = match[3] !== undefined;
  }
  const rest = template.slice(at);
  if (rest.includes('{{')) throw refuse(`${quote(rest, 64)}: the action is not closed`);
  push(rest, false);
  return found;
}

const TOKEN = /\s*(?:("(?:\\.|[^"\\])*")|`([^`]*)`|(\|)|(\()|(\)(?:\.\w+)*)|(:?=)|(,)|([^\s|()",`:=]+))/gy;

interface Token {
  readonly kind: 'text' | '|' | '(' | ')' | '=' | ',' | 'word';
  readonly text: string;
}

function tokens(action: string): Token[] {
  const found: Token[] = [];
  TOKEN.lastIndex = 0;
  while (action.slice(TOKEN.lastIndex).trim() !== '') {
    const match = TOKEN.exec(action);
    if (match === null) throw refuse(`{{${quote(action, 64).slice(1, -1)}}} cannot be read`);
    found.push(tokenOf(match));
  }
  return found;
}

const KINDS = ['|', '(', ')', '=', ',', 'word'] as const;

function tokenOf([, quoted, raw, ...others]: RegExpExecArray): Token {
  if (quoted !== undefined) return { kind: 'text', text: unquote(quoted) };
  if (raw !== undefined) return { kind: 'text', text: raw };
  const at = others.findIndex((text) => text !== undefined);
  return { kind: KINDS[at] ?? 'word', text: others[at] ?? '' };
}

/** Go's escapes are JSON's, as far as anybody writes them here. */
function unquote(text: string): string {
  try {
    return String(JSON.parse(text));
  } catch {
    throw refuse(`${quote(text, 64)} is no Go string`);
  }
}

/** The text behind --format. Throws UsageError. */
export function parseTemplate(template: string): readonly Node[] {
  const queue = pieces(template);
  const { nodes, end } = block(queue);
  if (end !== undefined) throw refuse(`{{${end}}} has no beginning`);
  return nodes;
}

/** Up to {{end}} or {{else}}, which is returned. */
function block(queue: Piece[]): { readonly nodes: readonly Node[]; readonly end: string | undefined } {
  const nodes: Node[] = [];
  for (let piece = queue.shift(); piece !== undefined; piece = queue.shift()) {
    if ('text' in piece) nodes.push({ kind: 'text', text: piece.text });
    else if (piece.action === 'end' || /^else\b/.test(piece.action)) return { nodes, end: piece.action };
    else if (!piece.action.startsWith('/*')) nodes.push(actionNode(piece.action, queue));
  }
  return { nodes, end: undefined };
}

function actionNode(action: string, queue: Piece[]): Node {
  const [first, ...rest] = tokens(action);
  const word = first?.kind === 'word' ? first.text : '';
  if (word === 'if' || word === 'range' || word === 'with') return controlNode(word, rest, action, queue);
  const [equals, ...value] = rest;
  if (word.startsWith('$') && equals?.kind === '=')
    return { kind: 'assign', variable: word, pipeline: pipeline(value, action) };
  return { kind: 'print', pipeline: pipeline(first === undefined ? [] : [first, ...rest], action) };
}

function controlNode(kind: 'if' | 'range' | 'with', rest: Token[], action: string, queue: Piece[]): Node {
  const equals = rest.findIndex((token) => token.kind === '=');
  const variables = rest.slice(0, Math.max(equals, 0)).flatMap(({ kind, text }) => (kind === 'word' ? [text] : []));
  const value = pipeline(rest.slice(equals + 1), action);
  const body = block(queue);
  const node = { kind, variables, pipeline: value, body: body.nodes };
  if (body.end === undefined) throw refuse(`{{${action}}} has no {{end}}`);
  if (body.end === 'end') return { ...node, otherwise: [] };
  const chained = /^else\s+(if\b.*)$/s.exec(body.end)?.[1];
  if (chained !== undefined) return { ...node, otherwise: [actionNode(chained, queue)] };
  const otherwise = block(queue);
  if (otherwise.end !== 'end') throw refuse(`{{${action}}} has no {{end}}`);
  return { ...node, otherwise: otherwise.nodes };
}

function pipeline(list: readonly Token[], action: string): Call[] {
  const queue = [...list];
  const calls = callsUntil(queue, action);
  if (queue.length > 0) throw refuse(`{{${action}}}: a ")" too many`);
  return calls;
}

function callsUntil(queue: Token[], action: string): Call[] {
  const calls: Call[] = [];
  let operands: Operand[] = [];
  let name: string | undefined;
  const finish = () => {
    if (name === undefined && operands.length !== 1)
      throw refuse(`{{${action}}}: a value is missing, or there are two`);
    calls.push({ name, args: operands });
    operands = [];
    name = undefined;
  };
  while (queue.length > 0 && queue[0]?.kind !== ')') {
    const token = queue.shift();
    if (token?.kind === '|') finish();
    else if (token?.kind === '(') operands.push(nested(queue, action));
    else if (token?.kind === 'word' && operands.length === 0 && name === undefined && /^[A-Za-z]\w*$/.test(token.text))
      name = literal(token.text) === undefined ? token.text : void operands.push(operandOf(token, action));
    else if (token !== undefined) operands.push(operandOf(token, action));
  }
  finish();
  return calls;
}

/** "(index .Names 0).Digest" */
function nested(queue: Token[], action: string): Operand {
  const commands = callsUntil(queue, action);
  const close = queue.shift();
  if (close === undefined) throw refuse(`{{${action}}}: a ")" is missing`);
  return { kind: 'pipeline', commands, names: close.text.split('.').slice(1) };
}

function literal(text: string): { readonly value: number | boolean | null } | undefined {
  if (text === 'true' || text === 'false') return { value: text === 'true' };
  if (text === 'nil') return { value: null };
  return /^-?\d+$/.test(text) ? { value: Number(text) } : undefined;
}

function operandOf({ kind, text }: Token, action: string): Operand {
  if (kind === 'text') return { kind: 'value', value: text };
  const found = kind === 'word' ? literal(text) : undefined;
  if (found !== undefined) return { kind: 'value', value: found.value };
  const path = /^(\$\w*)?((?:\.\w+)*|\.)$/.exec(text);
  if (kind !== 'word' || path === null) throw refuse(`{{${action}}}: ${quote(text, 64)} cannot stand there`);
  return { kind: 'path', variable: path[1], names: (path[2] ?? '').split('.').filter((name) => name !== '') };
}
