/** One of HostConfig.Mounts, as `docker run --mount` makes it. Pure. */
import { posix } from 'node:path';
import type { MountRequest } from '../../api/types.gen.js';
import type { MountPoint } from '../record.js';
import { anonymousVolume, checkVolumeName, destinationOf } from './bind.js';
import { refuse } from './refuse.js';

const invalid = (type: string, why: string) => refuse(`invalid mount config for type "${type}": ${why}`);

export function parseMount(request: MountRequest, driver: string): MountPoint {
  const { Type = '', Target = '' } = request;
  if (Type === '') throw invalid(Type, 'mount type unknown: Type is one of bind, volume, tmpfs, image');
  if (Target === '') throw invalid(Type, 'field Target must not be empty');
  const destination = destinationOf(Target, Target);
  checkOptions(request, Type);
  switch (Type) {
    case 'bind':
      return bindMount(request, destination);
    case 'volume':
      return volumeMount(request, destination, driver);
    case 'tmpfs':
      return tmpfsMount(request, destination);
    case 'image':
      return imageMount(request, destination);
    default:
      throw invalid(Type, 'linux has no such mounts');
  }
}

/** Options of another type mean that something else was meant. */
function checkOptions(request: MountRequest, type: string): void {
  const fields = {
    bind: 'BindOptions',
    volume: 'VolumeOptions',
    tmpfs: 'TmpfsOptions',
    image: 'ImageOptions',
  } as const;
  for (const [other, field] of Object.entries(fields)) {
    if (other !== type && request[field] !== undefined) throw invalid(type, `field ${field} must not be specified`);
  }
}

const access = (request: MountRequest) => ({ Mode: '', RW: request.ReadOnly !== true });

function bindMount(request: MountRequest, destination: string): MountPoint {
  const { Source = '', BindOptions: options = {} } = request;
  if (Source === '') throw invalid('bind', 'field Source must not be empty');
  if (!Source.startsWith('/')) throw invalid('bind', `invalid mount path: '${Source}' mount path must be absolute`);
  const { ReadOnlyNonRecursive = false, ReadOnlyForceRecursive = false } = options;
  if ((ReadOnlyNonRecursive || ReadOnlyForceRecursive) && request.ReadOnly !== true)
    throw invalid('bind', 'ReadOnlyNonRecursive and ReadOnlyForceRecursive need ReadOnly');
  if (ReadOnlyNonRecursive && ReadOnlyForceRecursive)
    throw invalid('bind', 'ReadOnlyForceRecursive conflicts with ReadOnlyNonRecursive');
  return {
    Type: 'bind',
    Source: posix.normalize(Source).replace(/(?<=.)\/$/, ''),
    Destination: destination,
    ...access(request),
    Propagation: options.Propagation || 'rprivate',
    spec: {
      createSource: options.CreateMountpoint === true,
      ...(options.NonRecursive === true ? { nonRecursive: true } : {}),
      ...(ReadOnlyNonRecursive ? { readOnlyNonRecursive: true } : {}),
      ...(ReadOnlyForceRecursive ? { readOnlyForceRecursive: true } : {}),
    },
  };
}

function volumeMount(request: MountRequest, destination: string, driver: string): MountPoint {
  const { Source = '', VolumeOptions: options = {} } = request;
  const { DriverConfig = {}, Labels } = options;
  if (Source !== '') checkVolumeName(Source);
  if (Source === '' && options.Subpath !== undefined && options.Subpath !== '')
    throw invalid('volume', 'must not set Subpath when using anonymous volumes');
  checkSubpath('volume', options.Subpath);
  const base = anonymousVolume(destination, DriverConfig.Name || driver);
  return {
    ...base,
    Name: Source,
    Mode: 'z',
    RW: request.ReadOnly !== true,
    spec: {
      ...(Source === '' ? { anonymous: true } : {}),
      ...(options.NoCopy === true ? { noCopy: true } : {}),
      ...(options.Subpath ? { subpath: options.Subpath } : {}),
      ...(DriverConfig.Options === undefined ? {} : { driverOptions: DriverConfig.Options }),
      ...(Labels === undefined ? {} : { labels: Labels }),
    },
  };
}

function checkSubpath(type: string, subpath = ''): void {
  if (subpath === '') return;
  if (subpath.startsWith('/') || subpath.split('/').includes('..'))
    throw invalid(type, `subpath must be a relative path within the ${type}: '${subpath}'`);
}

function tmpfsMount(request: MountRequest, destination: string): MountPoint {
  const { Source = '', TmpfsOptions: options = {} } = request;
  if (Source !== '') throw invalid('tmpfs', 'field Source must not be specified');
  const { SizeBytes = 0, Mode = 0 } = options;
  if (SizeBytes < 0) throw invalid('tmpfs', `SizeBytes must not be negative: ${SizeBytes}`);
  const more = (options.Options ?? []).map((words) => {
    if (words.length === 0 || words.length > 2) throw invalid('tmpfs', 'each of Options is one or two words');
    return words.join('=');
  });
  const tmpfs = [
    ...(SizeBytes > 0 ? [`size=${SizeBytes}`] : []),
    ...(Mode !== 0 ? [`mode=${unixMode(Mode).toString(8)}`] : []),
    ...more,
  ];
  return {
    Type: 'tmpfs',
    Source: '',
    Destination: destination,
    ...access(request),
    Propagation: '',
    spec: tmpfs.length > 0 ? { tmpfs } : {},
  };
}

/** The docker command sends what chmod(1) takes; programs in Go may send FileMode, with its own bits for set-id and sticky. */
function unixMode(mode: number): number {
  const bit = (from: number, to: number): number => (Math.floor(mode / 2 ** from) % 2 === 1 ? to : 0);
  return (mode & 0o7777) | bit(20, 0o1000) | bit(22, 0o2000) | bit(23, 0o4000);
}

function imageMount(request: MountRequest, destination: string): MountPoint {
  const { Source = '', ImageOptions: options = {} } = request;
  if (Source === '') throw invalid('image', 'field Source must not be empty');
  checkSubpath('image', options.Subpath);
  return {
    Type: 'image',
    Name: Source,
    Source: '',
    Destination: destination,
    Mode: '',
    RW: false,
    Propagation: '',
    spec: options.Subpath ? { subpath: options.Subpath } : {},
  };
}
