/**
 * HostConfig.LogConfig as what the monitor is told. Logs are bounded unless somebody asks otherwise: 20 MB in each of
 * five files, where dockerd's json-file grows for ever.
 *
 * Pure, but for the look whether journald is there.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { MonitorLog } from '../../runtime/monitored.js';
import { quote } from '../../util/quote.js';
import type { LogConfig } from '../api/types.gen.js';
import { badRequest } from '../http/api-error.js';
import type { ContainerRecord } from './record.js';

const JOURNAL_SOCKET = '/run/systemd/journal/socket';
const DRIVERS: { readonly [name: string]: readonly string[] } = {
  'json-file': [
    'max-size',
    'max-file',
    'compress',
    'labels',
    'labels-regex',
    'env',
    'env-regex',
    'tag',
    'mode',
    'max-buffer-size',
  ],
  local: ['max-size', 'max-file', 'compress', 'mode', 'max-buffer-size'],
  journald: ['labels', 'labels-regex', 'env', 'env-regex', 'tag', 'mode', 'max-buffer-size'],
  none: ['mode', 'max-buffer-size'],
};
const DEFAULT_SIZE = 20_000_000;
const DEFAULT_FILES = 5;
const DEFAULT_BUFFER = 1_000_000;
const UNITS = ['', 'k', 'm', 'g', 't'];

export const driverOf = (config: LogConfig | undefined): string => config?.Type || 'json-file';

/** Throws ApiError 400, in dockerd's words where it has some. */
export function checkLogConfig(config: LogConfig | undefined): void {
  const driver = driverOf(config);
  const known = DRIVERS[driver];
  if (known === undefined)
    throw badRequest(
      `logger: no log driver named ${quote(driver, 64)} is registered: json-file, local, journald and none are`,
    );
  if (driver === 'journald' && !existsSync(JOURNAL_SOCKET))
    throw badRequest(`journald is not running on this host: there is no ${JOURNAL_SOCKET}`);
  const options = config?.Config ?? {};
  for (const name of Object.keys(options)) {
    if (!known.includes(name)) throw badRequest(`unknown log opt ${quote(name, 64)} for ${driver} log driver`);
  }
  const size = sizeOf(options['max-size']);
  const files = filesOf(options['max-file']);
  if (asksToCompress(options) === true && (files < 2 || size === 0))
    throw badRequest('compress cannot be true when max-file is less than 2 or max-size is not set');
  bufferOf(options);
}

type LogOptions = { readonly [name: string]: string };

/** As strconv.ParseBool has it; undefined: nothing is said. */
function asksToCompress({ compress = '' }: LogOptions): boolean | undefined {
  if (compress === '') return undefined;
  if (/^(?:0|f|F|false|False|FALSE)$/.test(compress)) return false;
  if (/^(?:1|t|T|true|True|TRUE)$/.test(compress)) return true;
  throw badRequest(`invalid log opt compress ${quote(compress, 64)}: it is true or false`);
}

/** Bytes that may wait for the disk; 0: the program waits. */
function bufferOf({ mode = 'blocking', 'max-buffer-size': buffer = '' }: LogOptions): number {
  if (mode !== 'blocking' && mode !== 'non-blocking')
    throw badRequest(`logger: logging mode not supported: ${quote(mode, 64).slice(1, -1)}`);
  if (buffer === '') return mode === 'blocking' ? 0 : DEFAULT_BUFFER;
  if (mode === 'blocking')
    throw badRequest("logger: max-buffer-size option is only supported with 'mode=non-blocking'");
  const size = parseSize(buffer, 1024);
  if (size !== undefined) return size;
  throw badRequest(`invalid log opt max-buffer-size ${quote(buffer, 64)}: it is a number with k, m or g`);
}

/** As go-units has it: decimal. -1: no limit. */
function sizeOf(text: string | undefined): number {
  if (text === undefined || text === '') return DEFAULT_SIZE;
  if (text === '-1') return 0;
  const size = parseSize(text, 1000);
  if (size !== undefined) return size;
  throw badRequest(`invalid log opt max-size ${quote(text, 64)}: it is a number with k, m or g, or -1 for no limit`);
}

function parseSize(text: string, unit: 1000 | 1024): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s?([kmgt]?)i?b?$/i.exec(text);
  const size = Math.floor(Number(match?.[1]) * unit ** UNITS.indexOf((match?.[2] ?? '').toLowerCase()));
  return size > 0 && size <= Number.MAX_SAFE_INTEGER ? size : undefined;
}

function filesOf(text: string | undefined): number {
  if (text === undefined || text === '') return DEFAULT_FILES;
  const files = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (files >= 1) return files;
  throw badRequest(`invalid log opt max-file ${quote(text, 64)}: it is a number of files from 1 to 9999`);
}

export interface LogPlace {
  readonly format: 'json' | 'local';
  readonly path: string;
}

/** Where docker logs reads; undefined: nowhere. What goes to journald is kept beside it too. */
export function logPlace(record: Pick<ContainerRecord, 'id' | 'hostConfig'>, directory: string): LogPlace | undefined {
  switch (driverOf(record.hostConfig.LogConfig)) {
    case 'json-file':
      return { format: 'json', path: join(directory, record.id, `${record.id}-json.log`) };
    case 'local':
    case 'journald':
      return { format: 'local', path: join(directory, record.id, 'local-logs', 'container.log') };
    default:
      return undefined;
  }
}

/** The files of a log whose rotated ones are to be compressed, and the most of them; undefined: they stay as they are. */
export function compressedLog(
  record: Pick<ContainerRecord, 'id' | 'hostConfig'>,
  directory: string,
): { path: string; files: number } | undefined {
  const driver = driverOf(record.hostConfig.LogConfig);
  const place = logPlace(record, directory);
  const options = record.hostConfig.LogConfig?.Config ?? {};
  const files = filesOf(options['max-file']);
  const wanted = asksToCompress(options) ?? driver === 'local';
  return place !== undefined && wanted && files > 1 && sizeOf(options['max-size']) > 0
    ? { path: place.path, files }
    : undefined;
}

/** What labels, env and tag of the options add to each entry. */
export function extraAttributes({ id, name, config, hostConfig, image }: ContainerRecord): { [name: string]: string } {
  const options = hostConfig.LogConfig?.Config ?? {};
  const environment = (config.Env ?? []).map((entry) => {
    const mark = entry.indexOf('=');
    return [entry.slice(0, mark), entry.slice(mark + 1)] as const;
  });
  return {
    ...chosen(Object.entries(config.Labels ?? {}), options['labels'], options['labels-regex']),
    ...chosen(environment, options['env'], options['env-regex']),
    ...(options['tag'] === undefined ? {} : { tag: expandTag(options['tag'], { id, name, image: image.reference }) }),
  };
}

function chosen(entries: readonly (readonly [string, string])[], names = '', pattern = ''): { [name: string]: string } {
  const wanted = new Set(names.split(',').filter((name) => name !== ''));
  const matches = pattern === '' ? undefined : safePattern(pattern);
  return Object.fromEntries(entries.filter(([name]) => wanted.has(name) || matches?.test(name) === true));
}

function safePattern(pattern: string): RegExp | undefined {
  try {
    return pattern.length <= 256 ? new RegExp(pattern) : undefined;
  } catch {
    return undefined;
  }
}

function expandTag(template: string, { id, name, image }: { id: string; name: string; image: string }): string {
  const values: { readonly [field: string]: string } = {
    ID: id.slice(0, 12),
    FullID: id,
    Name: name,
    ImageName: image,
    DaemonName: 'docker',
  };
  return template.replace(/\{\{\s*\.(\w+)\s*\}\}/g, (whole, field: string) => values[field] ?? whole);
}

/** undefined: the output is for those who attach, and nobody else. */
export function monitorLog(record: ContainerRecord, directory: string): MonitorLog | undefined {
  const place = logPlace(record, directory);
  if (place === undefined) return undefined;
  const options = record.hostConfig.LogConfig?.Config ?? {};
  const extra = extraAttributes(record);
  const limits = {
    maxSize: sizeOf(options['max-size']),
    maxFiles: filesOf(options['max-file']),
    bufferSize: bufferOf(options),
  };
  if (place.format === 'json') {
    const attributes = Object.keys(extra).length === 0 ? {} : { attributes: JSON.stringify(extra) };
    return { json: place.path, ...attributes, ...limits };
  }
  const local = { local: place.path, ...limits };
  if (driverOf(record.hostConfig.LogConfig) !== 'journald') return local;
  return { ...local, journal: { socket: JOURNAL_SOCKET, fields: journalFields(record, extra) } };
}

function journalFields({ id, name, image }: ContainerRecord, extra: { readonly [name: string]: string }): string {
  const fields = {
    CONTAINER_ID: id.slice(0, 12),
    CONTAINER_ID_FULL: id,
    CONTAINER_NAME: name,
    CONTAINER_TAG: extra['tag'] ?? id.slice(0, 12),
    SYSLOG_IDENTIFIER: extra['tag'] ?? id.slice(0, 12),
    IMAGE_NAME: image.reference,
    ...Object.fromEntries(Object.entries(extra).map(([key, value]) => [fieldName(key), value])),
  };
  // A value with a line end would need the other form of the protocol; it is cut instead.
  return Object.entries(fields)
    .filter(([key]) => key !== '')
    .map(([key, value]) => `${key}=${value.split('\n', 1)[0] ?? ''}\n`)
    .join('');
}

/** journald takes capitals, digits and underscores, and keeps a leading underscore for itself. */
const fieldName = (key: string): string =>
  key
    .toUpperCase()
    .replace(/[^A-Z0-9]/g, '_')
    .replace(/^[_0-9]+/, '');
