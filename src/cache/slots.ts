/**
 * THE table of what may differ between two configs that share a plan: strings which the compiler copies and never looks
 * into. For every value of the class, compiling the config gives the same plan with that value in it, and nothing is
 * taken that a compile would refuse (docs/adr/0007). A field that is not here is compared byte by byte.
 *
 * Pure.
 */

/**
 * text: printable ASCII that JSON writes as it is. path: absolute and normalised, of [A-Za-z0-9._@+,=-] names of at most
 * 255 bytes. word: [A-Za-z0-9_]. csrc/launcher/match.c has the same three.
 */
export type SlotClass = 'text' | 'path' | 'word';

export interface Slot {
  readonly kind: SlotClass;
  /** Bytes. */
  readonly min: number;
  readonly max: number;
}

interface Row extends Slot {
  readonly pointer: RegExp;
  /** The slot is what follows the first "=": the compiler looks at the name. */
  readonly value?: true;
}

/** execve(2): one string with its NUL, MAX_ARG_STRLEN. */
const ARGUMENT = 131_071;
/** PATH_MAX without the NUL. */
const PATH = 4095;
/** utsname: uname(2). */
const NAME = 64;
/** Of a unit: src/compile/systemd/unit.ts. */
const UNIT = 255;
/** Free text; only a bound for the matcher. */
const ANNOTATION = 65_536;

const ROWS: readonly Row[] = [
  { pointer: /^\/hostname$/, kind: 'text', min: 1, max: NAME },
  { pointer: /^\/domainname$/, kind: 'text', min: 1, max: NAME },
  { pointer: /^\/root\/path$/, kind: 'path', min: 2, max: PATH },
  // The first one names the program, and may not be empty.
  { pointer: /^\/process\/args\/0$/, kind: 'text', min: 1, max: ARGUMENT },
  { pointer: /^\/process\/args\/[1-9]\d*$/, kind: 'text', min: 0, max: ARGUMENT },
  // An empty HOME is no HOME.
  { pointer: /^\/process\/env\/\d+$/, kind: 'text', min: 1, max: ARGUMENT, value: true },
  { pointer: /^\/hooks\/\w+\/\d+\/args\/\d+$/, kind: 'text', min: 0, max: ARGUMENT },
  { pointer: /^\/hooks\/\w+\/\d+\/env\/\d+$/, kind: 'text', min: 0, max: ARGUMENT, value: true },
  // Properties of the unit are read, and whether groups are kept.
  {
    pointer: /^\/annotations\/(?!org\.systemd\.property\.|run\.oci\.keep_original_groups$)[^/]+$/,
    ...{ kind: 'text', min: 0, max: ANNOTATION },
  },
  { pointer: /^\/linux\/cgroupsPath$/, kind: 'path', min: 2, max: PATH },
  { pointer: /^\/linux\/namespaces\/\d+\/path$/, kind: 'path', min: 2, max: PATH },
  // Of binds alone: see fixedSources() in bundle-source.ts.
  { pointer: /^\/mounts\/\d+\/source$/, kind: 'path', min: 2, max: PATH },
];

/** For what is not of a config: the directory of a bundle, the path of a file, a cgroup. */
export const PATH_SLOT: Slot = { kind: 'path', min: 2, max: PATH };
/** An id, a time. */
export const TEXT: Slot = { kind: 'text', min: 1, max: ANNOTATION };

const CLASSES: { readonly [K in SlotClass]: RegExp } = {
  text: /^[ !#-[\]-~]*$/,
  path: /^(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._@+,=-]{1,255})+$/,
  word: /^\w*$/,
};

export function fits({ kind, min, max }: Slot, value: string): boolean {
  return value.length >= min && value.length <= max && CLASSES[kind].test(value);
}

export interface Found extends Slot {
  /** Where the slot begins and ends in the string. */
  readonly from: number;
  readonly to: number;
}

/** The slots in the string at this pointer of the document, in their order. */
export type SlotFinder = (pointer: string, text: string) => readonly Found[];

/** A string that is one slot, if its value is of the class. */
export const whole = (slot: Slot, text: string): readonly Found[] =>
  fits(slot, text) ? [{ ...slot, from: 0, to: text.length }] : [];

/** The slots in the string at this pointer of a config; none where a value is not of its class. */
export function slotsAt(pointer: string, text: string): readonly Found[] {
  if (pointer === '/linux/cgroupsPath' && !text.startsWith('/')) return unitSlots(text);
  const row = ROWS.find((one) => one.pointer.test(pointer));
  if (row === undefined) return [];
  const from = row.value === true ? text.indexOf('=') + 1 : 0;
  // "NAME=" at least: what has no name is refused.
  if (row.value === true && from < 2) return [];
  const slot = { kind: row.kind, min: row.min, max: row.max - from, from, to: text.length };
  return fits(slot, text.slice(from)) ? [slot] : [];
}

/**
 * slice:prefix:name: the name, and what distinguishes the slices of pods, "kubepods-besteffort-pod<uid>.slice". A word
 * makes no further slice and no other unit than a scope, and the names that it is part of have their longest.
 */
function unitSlots(path: string): readonly Found[] {
  const found = /^(?:([^:]*-)(\w+)\.slice|[^:]*):([^:]*):(\w+)$/.exec(path);
  if (found === null) return [];
  const [, stem = '', last = '', prefix = '', name = ''] = found;
  const word = (from: number, value: string, rest: number) =>
    ({ kind: 'word', min: 1, max: UNIT - rest, from, to: from + value.length }) as const;
  const around = prefix.length + (prefix === '' ? 0 : 1) + '.scope'.length;
  return [
    ...(last === '' ? [] : [word(stem.length, last, stem.length + '.slice'.length)]),
    word(path.length - name.length, name, around),
  ];
}
