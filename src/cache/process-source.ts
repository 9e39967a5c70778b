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

/** Of a container's cgroups what csrc/launcher/question.c has of them. */
const cgroupParts = ({ hierarchy, controllers, mount, path }: CgroupPlace): readonly Part[] => [
  literalPart(`cgroup ${hierarchy} ${controllers} ${mount} `),
  slotPart(PATH_SLOT, path),
  literalPart('\n'),
];

/** exec --process. The document has the slots of that part of a config. compile: with what it says of the container. */
export function processSource(
  container: KnownContainer,
  file: ProcessFile,
  plan: Plan,
  compile: (cgroups: readonly CgroupPlace[], record: string, document: SourceDocument) => Plan,
): Source {
  const { record, spec, ownKeyring } = container;
  const free = freeSlots(spec);
  const ofRecord: SlotFinder = (pointer, text) => {
    if (pointer === '/bundle') return whole(PATH_SLOT, text);
    if (pointer === '/id' || pointer === '/created') return whole(TEXT, text);
    return pointer.startsWith('/config/') ? free(pointer.slice('/config'.length), text) : [];
  };
  return {
    parts: [
      ...container.cgroups.flatMap(cgroupParts),
      literalPart(`keyring ${ownKeyring ? 1 : 0}\nstate `),
      documentPart(record, ofRecord),
      literalPart('\nprocess '),
      slotPart(PATH_SLOT, file.path),
      literalPart(BEFORE_DOCUMENT),
      documentPart(file.bytes.toString('utf8'), (pointer, text) => slotsAt(`/process${pointer}`, text)),
    ],
    plan,
    compile: (texts) => {
      const places = container.cgroups.map((place, index) => ({ ...place, path: texts[1 + 3 * index] ?? '' }));
      const [, otherRecord = '', , , , process = ''] = texts.slice(3 * container.cgroups.length);
      const document = readDocument(Buffer.from(process), 'process.json');
      return { plan: compile(places, otherRecord, document), apart: [] };
    },
    terminal: file.terminal,
    label: `exec ${file.path}`,
  };
}
