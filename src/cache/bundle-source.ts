/**
 * create and run: the question about a bundle, and what may differ in it.
 *
 * Pure.
 */
import { posix } from 'node:path';
import { parseMountOptions } from '../compile/mount-options.js';
import { containerPath } from '../compile/mounts.js';
import { rootfsPath } from '../compile/rootfs.js';
import type { Plan } from '../plan/plan.js';
import { readDocument, type SourceDocument } from '../spec/read.js';
import type { Mount } from '../spec/types.gen.js';
import type { ValidSpec } from '../spec/valid.js';
import { validateConfig } from '../spec/validate.js';
import { pointer } from '../util/pointer.js';
import { NotCacheable, type Source } from './derive.js';
import { documentPart, literalPart, slotPart } from './pattern.js';
import { PATH_SLOT, type SlotFinder, slotsAt } from './slots.js';

/** A config that was read, with nothing in it to warn of. */
export interface Reading {
  readonly path: string;
  readonly spec: ValidSpec;
  readonly document: SourceDocument;
  readonly bytes: Buffer;
}

/** Between a path and what the file there holds. */
export const BEFORE_DOCUMENT = '\n\n';

/** compile: throws NotCacheable as that of Source. */
export function bundleSource(bundle: Reading, plan: Plan, compile: (bundle: Reading) => Plan): Source {
  const { path, bytes, spec } = bundle;
  const free = freeSlots(spec);
  return {
    parts: [slotPart(PATH_SLOT, path), literalPart(BEFORE_DOCUMENT), documentPart(bytes.toString('utf8'), free)],
    plan,
    compile: ([otherPath = '', , config = '']) => {
      const other = readAgain(Buffer.from(config), otherPath);
      return { plan: compile(other), apart: textsApart(other) };
    },
    terminal: spec.process?.terminal === true,
    label: path,
  };
}

/** The slots of a config but for the sources that the compiler looks into. */
export function freeSlots(spec: ValidSpec): SlotFinder {
  const fixed = fixedSources(spec);
  return (pointer, text) => (fixed.has(pointer) ? [] : slotsAt(pointer, text));
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
