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
import { canMark, makeTemplate, markers, type Piece, piecesOf, sameBytes } from './template.js';

/** A config that was read, with nothing in it to warn of. */
export interface Reading {
  readonly path: string;
  readonly spec: ValidSpec;
  readonly document: SourceDocument;
  readonly bytes: Buffer;
}

export interface Source {
  /** Of the launcher's question: what comes before the bundle. */
  readonly head: string;
  readonly bundle: Reading;
  readonly plan: Plan;
  /** As plan was compiled. Throws NotCacheable for a plan that depends on more than the question says. */
  readonly compile: (bundle: Reading) => Plan;
}

export class NotCacheable extends Error {}

export type Derived = Omit<Entry, 'witnesses'>;

/** undefined: the plan is never the same. Throws NotCacheable, and what compile throws. */
export function derive(source: Source): Derived | undefined {
  return deriveWithSlots(source) ?? deriveExact(source);
}

function deriveWithSlots({ head, bundle, plan, compile }: Source): Derived | undefined {
  const pattern = findPattern(head, bundle.path, bundle.bytes.toString('utf8'), fixedSources(bundle.spec));
  const { slots, values, literals } = pattern;
  if (!canMark(slots, literals.join(''))) return undefined;
  const marks = markers(slots);
  const marked = readAgain(Buffer.from(fillConfig(pattern, marks)), marks[0] ?? '');
  const template = makeTemplate(plan, compile(marked), slots, values);
  const apart = textsApart(marked).map((text) => piecesOf(text, slots));
  if (template === undefined || apart.includes(undefined)) return undefined;
  return { pattern, template, apart: apart as (readonly Piece[])[], ...about(bundle) };
}

/** For this very bundle: its own paths lie one below the other, for example. */
function deriveExact({ head, bundle, plan, compile }: Source): Derived | undefined {
  const pattern = exactPattern(head, bundle.path, bundle.bytes.toString('utf8'));
  const bytes = encodePlan(plan);
  const again = encodePlan(compile(readAgain(bundle.bytes, bundle.path)));
  if (!sameBytes(bytes, again)) return undefined;
  return { pattern, template: { plan: bytes, patches: [] }, apart: [], ...about(bundle) };
}

const about = ({ spec, path }: Reading) => ({ terminal: spec.process?.terminal === true, label: path });

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
