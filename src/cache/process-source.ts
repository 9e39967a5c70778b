/**
 * exec --process: the question about a process in a container, and what may differ in it. Of the container it says all that
 * the compiler takes from it, so that an entry serves all containers of a kind.
 *
 * Pure.
 */
import type { CgroupPlace } from '../compile/cgroup.js';
import type { Plan } from '../plan/plan.js';
import { readDocument, type SourceDocument } from '../spec/read.js';
import type { ValidSpec } from '../spec/valid.js';
import { BEFORE_DOCUMENT, freeSlots } from './bundle-source.js';
import type { Source } from './derive.js';
import { documentPart, literalPart, type Part, slotPart } from './pattern.js';
import { PATH_SLOT, type SlotFinder, slotsAt, TEXT, whole } from './slots.js';

/** What a question about exec says of the container. */
export interface KnownContainer {
  readonly spec: ValidSpec;
  /** The text of state.json. */
  readonly record: string;
  readonly cgroups: readonly CgroupPlace[];
  readonly ownKeyring: boolean;
}

/** Of the process. */
export interface ProcessFile {
  readonly path: string;
  readonly bytes: Buffer;
  readonly terminal: boolean;
}

/** exec --process. The document has the slots of that part of a config. compile: with what it says of the container. */
export function processSource(
  container: KnownContainer,
  file: ProcessFile,
  plan: Plan,
  compile: (cgroups: readonly CgroupPlace[], record: string, document: SourceDocument) => Plan,
): Source {
  const cgroups = container.cgroups.map((place) => ({ place, path: slotPart(PATH_SLOT, place.path) }));
  const record = documentPart(container.record, recordSlots(container.spec));
  const process = documentPart(file.bytes.toString('utf8'), (pointer, text) => slotsAt(`/process${pointer}`, text));
  // csrc/launcher/question.c has the same.
  const parts = [
    ...cgroups.flatMap(({ place, path }) => [cgroupPart(place), path, literalPart('\n')]),
    literalPart(`keyring ${container.ownKeyring ? 1 : 0}\nstate `),
    record,
    literalPart('\nprocess '),
    slotPart(PATH_SLOT, file.path),
    literalPart(BEFORE_DOCUMENT),
    process,
  ];
  return {
    parts,
    plan,
    compile: (texts) => {
      const textOf = (part: Part): string => texts[parts.indexOf(part)] ?? '';
      const places = cgroups.map(({ place, path }) => ({ ...place, path: textOf(path) }));
      const document = readDocument(Buffer.from(textOf(process)), 'process.json');
      return { plan: compile(places, textOf(record), document), apart: [] };
    },
    terminal: file.terminal,
    label: `exec ${file.path}`,
  };
}

const cgroupPart = ({ hierarchy, controllers, mount }: CgroupPlace): Part =>
  literalPart(`cgroup ${hierarchy} ${controllers} ${mount} `);

/** Of state.json: what create puts in, and the slots of the config. */
function recordSlots(spec: ValidSpec): SlotFinder {
  const free = freeSlots(spec);
  return (pointer, text) => {
    if (pointer === '/bundle') return whole(PATH_SLOT, text);
    if (pointer === '/id' || pointer === '/created') return whole(TEXT, text);
    return pointer.startsWith('/config/') ? free(pointer.slice('/config'.length), text) : [];
  };
}
