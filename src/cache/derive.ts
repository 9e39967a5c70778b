/**
 * From one plan to the plans of all configs that differ in slots alone. The config is compiled a second time with a marker
 * in each slot; what comes out is a template only if putting the values back gives the first plan, byte for byte.
 *
 * Pure.
 */
import { posix } from 'node:path';
import { parseMountOptions } from '../compile/mount-options.js';
import { containerPath } from '../compile/mounts.js';
import { rootfsPath } from '../compile/rootfs.js';
import { encodePlan } from '../plan/encode.js';
import type { Plan } from '../plan/plan.js';
import { readDocument, type SourceDocument } from '../spec/read.js';
import type { Mount } from '../spec/types.gen.js';
import type { ValidSpec } from '../spec/valid.js';
import { validateConfig } from '../spec/validate.js';
import { pointer } from '../util/pointer.js';
import type { Entry } from './entry.js';
import { exactPattern, fillConfig, findPattern } from './pattern.js';
import { type SlotFinder, slotsAt } from './slots.js';
import { canMark, makeTemplate, markers, type Piece, piecesOf, sameBytes } from './template.js';

/** A config that was read, with nothing in it to warn of. */
export interface Reading {
  readonly path: string;
  readonly spec: ValidSpec;
  readonly document: SourceDocument;
  readonly bytes: Buffer;
}

export interface Source {
  /** Of the launcher's question: what comes before the path. */
  readonly head: string;
  /** The directory of the bundle, or the file of a process. */
  readonly path: string;
  readonly bytes: Buffer;
  readonly plan: Plan;
  readonly slotsAt: SlotFinder;
  /** As plan was compiled, with other values. Throws NotCacheable for what depends on more than the question says. */
  readonly compile: (path: string, bytes: Buffer) => Compiled;
  readonly terminal: boolean;
  /** For people. */
  readonly label: string;
}

interface Compiled {
  readonly plan: Plan;
  /** See Entry. */
  readonly apart: readonly string[];
}

export class NotCacheable extends Error {}

export type Derived = Omit<Entry, 'witnesses'>;

/** undefined: the plan is never the same. Throws NotCacheable, and what compile throws. */
export function derive(source: Source): Derived | undefined {
  return deriveWithSlots(source) ?? deriveExact(source);
}

function deriveWithSlots({ head, path, bytes, plan, slotsAt, compile, terminal, label }: Source): Derived | undefined {
  const pattern = findPattern(head, path, bytes.toString('utf8'), slotsAt);
  const { slots, values, literals } = pattern;
  if (!canMark(slots, literals.join(''))) return undefined;
  const marks = markers(slots);
  const marked = compile(marks[0] ?? '', Buffer.from(fillConfig(pattern, marks)));
  const template = makeTemplate(plan, marked.plan, slots, values);
  const apart = marked.apart.map((text) => piecesOf(text, slots));
  if (template === undefined || apart.includes(undefined)) return undefined;
  return { pattern, template, apart: apart as (readonly Piece[])[], terminal, label };
}

/** For these very bytes: a bundle's own paths lie one below the other, for example. */
function deriveExact({ head, path, bytes, plan, compile, terminal, label }: Source): Derived | undefined {
  const pattern = exactPattern(head, path, bytes.toString('utf8'));
  const first = encodePlan(plan);
  if (!sameBytes(first, encodePlan(compile(path, bytes).plan))) return undefined;
  return { pattern, template: { plan: first, patches: [] }, apart: [], terminal, label };
}

/** create and run. compile: throws NotCacheable as that of Source. */
export function bundleSource(head: string, bundle: Reading, plan: Plan, compile: (bundle: Reading) => Plan): Source {
  const { path, bytes, spec } = bundle;
  const fixed = fixedSources(spec);
  return {
    ...{ head, path, bytes, plan },
    slotsAt: (pointer, text) => (fixed.has(pointer) ? [] : slotsAt(pointer, text)),
    compile: (otherPath, otherBytes) => {
      const other = readAgain(otherBytes, otherPath);
      return { plan: compile(other), apart: textsApart(other) };
    },
    terminal: spec.process?.terminal === true,
    label: path,
  };
}

/** exec --process: the document is the part of a config that has the same slots. */
export function processSource(
  source: Pick<Source, 'head' | 'path' | 'bytes' | 'plan' | 'terminal' | 'label'>,
  compile: (document: SourceDocument) => Plan,
): Source {
  return {
    ...source,
    slotsAt: (pointer, text) => slotsAt(`/process${pointer}`, text),
    compile: (_path, bytes) => ({ plan: compile(readDocument(bytes, 'process.json')), apart: [] }),
  };
}

/** Warnings are for each create. */
function readAgain(bytes: Buffer, path: string): Reading {
  const document = readDocument(bytes, 'config.json');
  const { value, warnings } = validateConfig(document);
  if (warnings.length > 0) throw new NotCacheable('config.json has warnings');
  return { path, bytes, document, spec: value };
}

/** What is no bind has no path there, and on /proc only the host's own may be bound: src/compile/mounts.ts. */
function fixedSources({ mounts = [] }: ValidSpec): Set<string> {
  const isFree = ({ destination, options = [] }: Mount) =>
    parseMountOptions(options).bind !== 'no' && containerPath(destination) !== '/proc';
  return new Set(mounts.flatMap((mount, index) => (isFree(mount) ? [] : [pointer('mounts', index, 'source')])));
}

/** The root file system, and the bind sources that are outside of it: one inside is compiled differently (mount-bind.ts). */
function textsApart({ spec, path }: Reading): string[] {
  const rootfs = rootfsPath(spec, path);
  const sources = (spec.mounts ?? [])
    .filter(({ options = [] }) => parseMountOptions(options).bind !== 'no')
    .map(({ source = '' }) => posix.resolve(path, source))
    .filter((source) => source !== rootfs && !source.startsWith(`${rootfs}/`));
  return [rootfs, ...sources];
}
