/**
 * One text of HostConfig.Binds or Config.Volumes: source:target:options, name:target:options or target. The rules are
 * those of `docker run -v`.
 *
 * Pure.
 */
import { posix } from 'node:path';
import type { MountPropagation } from '../../api/types.gen.js';
import type { MountPoint } from '../record.js';
import { refuse } from './refuse.js';

const PROPAGATIONS: readonly string[] = ['private', 'rprivate', 'shared', 'rshared', 'slave', 'rslave'];
/** Of other systems: nothing is cached here. */
const CONSISTENCIES: readonly string[] = ['consistent', 'cached', 'delegated'];
const ACCESS: readonly string[] = ['ro', 'rw', 'rro'];
const LABELS: readonly string[] = ['z', 'Z'];
const COPY: readonly string[] = ['nocopy', 'copy'];
const GROUPS = [ACCESS, LABELS, PROPAGATIONS, CONSISTENCIES, COPY];

export const VOLUME_NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;

/** Comma separated, of each group at most one. */
function modeWords(mode: string): readonly string[] | undefined {
  if (mode === '') return [];
  const words = mode.split(',');
  const counts = GROUPS.map((group) => words.filter((word) => group.includes(word)).length);
  const known = counts.reduce((sum, count) => sum + count, 0) === words.length;
  return known && counts.every((count) => count <= 1) ? words : undefined;
}

const invalid = (spec: string, why: string) => refuse(`invalid volume specification: '${spec}': ${why}`);

/** Source and Name of a volume are decided when it is made: '' is one without a name of its own. */
export function parseBind(spec: string, driver: string): MountPoint {
  const parts = spec.split(':');
  if (spec === '' || parts.length > 3 || parts[0] === '') throw refuse(`invalid volume specification: '${spec}'`);
  if (parts.length === 1) return anonymousVolume(destinationOf(spec, spec), driver);
  const [source = '', target = '', mode = ''] = parts;
  const words = modeWords(mode);
  if (words === undefined) throw invalid(spec, `invalid mode: ${mode}`);
  if (parts.length === 2 && modeWords(target) !== undefined) throw refuse(`invalid volume specification: '${spec}'`);
  const destination = destinationOf(target, spec);
  return source.startsWith('/')
    ? bindOf(posix.normalize(source), destination, mode, words, spec)
    : volumeOf(source, destination, mode, words, driver, spec);
}

/** Clean and absolute. Throws TsrunError REQUEST_INVALID. */
export function destinationOf(target: string, spec: string): string {
  if (!target.startsWith('/')) throw invalid(spec, `invalid mount path: '${target}' mount path must be absolute`);
  const clean = posix.normalize(target).replace(/(?<=.)\/$/, '');
  if (clean === '/') throw invalid(spec, "destination can't be '/'");
  return clean;
}

export const anonymousVolume = (destination: string, driver: string): MountPoint => ({
  Type: 'volume',
  Name: '',
  Source: '',
  Destination: destination,
  Driver: driver,
  Mode: '',
  RW: true,
  Propagation: '',
  spec: { anonymous: true },
});

function bindOf(source: string, destination: string, mode: string, words: readonly string[], spec: string): MountPoint {
  if (words.some((word) => COPY.includes(word)))
    throw invalid(spec, `invalid mode: ${mode}: nothing is copied to a bind`);
  const propagation = words.find((word) => PROPAGATIONS.includes(word)) ?? 'rprivate';
  return {
    Type: 'bind',
    Source: source.replace(/(?<=.)\/$/, ''),
    Destination: destination,
    Mode: mode,
    RW: !words.includes('ro') && !words.includes('rro'),
    Propagation: propagation as MountPropagation,
    spec: { createSource: true, ...(words.includes('rro') ? { readOnlyForceRecursive: true } : {}) },
  };
}

function volumeOf(
  name: string,
  destination: string,
  mode: string,
  words: readonly string[],
  driver: string,
  spec: string,
): MountPoint {
  checkVolumeName(name, true);
  if (words.some((word) => PROPAGATIONS.includes(word)))
    throw invalid(spec, `invalid mode: ${mode}: a volume has no propagation`);
  return {
    Type: 'volume',
    Name: name,
    Source: '',
    Destination: destination,
    Driver: driver,
    Mode: mode === '' ? 'z' : mode,
    RW: !words.includes('ro') && !words.includes('rro'),
    Propagation: '',
    spec: words.includes('nocopy') ? { noCopy: true } : {},
  };
}

/** asPath: somebody may have meant a directory. */
export function checkVolumeName(name: string, asPath = false): void {
  if (VOLUME_NAME.test(name) && name.length <= 255) return;
  const hint = asPath ? '. If you intended to pass a host directory, use absolute path' : '';
  throw refuse(
    `create ${name}: "${name}" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed${hint}`,
  );
}
