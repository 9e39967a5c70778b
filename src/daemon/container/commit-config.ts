/**
 * The config of an image that is made of a container: the container's own, what the client sends over it, and instructions
 * of a Dockerfile (`docker commit --change`).
 *
 * Pure.
 */
import { parseJson } from '../../spec/json.js';
import { quote } from '../../util/quote.js';
import type { ContainerConfig } from '../api/types.gen.js';
import { withProtocol } from './options/merge.js';
import { refuse } from './options/refuse.js';
import { shellWord, splitWords, type Values } from './shell-word.js';

type Fields = { -readonly [key in keyof ContainerConfig]: ContainerConfig[key] };

/** What an image can say; the rest is of one container. */
const OF_IMAGES = [
  ...['User', 'ExposedPorts', 'Env', 'Entrypoint', 'Cmd', 'Volumes', 'WorkingDir', 'Labels', 'StopSignal'],
  ...['Healthcheck', 'OnBuild', 'Shell'],
] as const;

export function imageConfigOf(own: ContainerConfig, asked: ContainerConfig): ContainerConfig {
  const given = Object.entries(asked).filter(([, value]) => !isZero(value));
  const all: { readonly [name: string]: unknown } = { ...own, ...Object.fromEntries(given) };
  return Object.fromEntries(OF_IMAGES.flatMap((name) => (isZero(all[name]) ? [] : [[name, all[name]]])));
}

function isZero(value: unknown): boolean {
  if (value === undefined || value === null || value === '' || value === 0 || value === false) return true;
  return typeof value === 'object' && Object.keys(value).length === 0;
}

/** Each text may hold several lines. Throws TsrunError REQUEST_INVALID. */
export function applyChanges(config: ContainerConfig, changes: readonly string[]): ContainerConfig {
  const changed: Fields = { ...config };
  for (const text of changes) {
    for (const line of text.replaceAll(/\\\n/g, ' ').split('\n')) {
      const match = /^\s*([A-Za-z]+)\s+([\s\S]*?)\s*$/.exec(line);
      if (line.trim() === '' || line.trim().startsWith('#')) continue;
      const name = (match?.[1] ?? '').toUpperCase();
      const apply = INSTRUCTIONS[name];
      if (apply === undefined || match === null)
        throw refuse(`${quote(line.trim(), 64)} is not a valid change command`);
      const values = valuesOf(changed);
      apply(changed, match[2] ?? '', (text) => shellWord(text, values, name));
    }
  }
  return changed;
}

/** What $NAME stands for: a variable of the image. */
const valuesOf = ({ Env }: Fields): Values =>
  new Map((Env ?? []).map((entry) => [entry.split('=', 1)[0] ?? '', entry.slice(entry.indexOf('=') + 1)]));

/** Without its quotes, with its variables replaced. */
type Word = (text: string) => string;

const INSTRUCTIONS: { readonly [name: string]: (config: Fields, rest: string, word: Word) => void } = {
  CMD: (config, rest) => {
    config.Cmd = wordsOrShell(config, rest);
  },
  ENTRYPOINT: (config, rest) => {
    config.Entrypoint = wordsOrShell(config, rest);
  },
  SHELL: (config, rest) => {
    config.Shell = jsonWords(rest) ?? fail('SHELL', rest, 'must be a list in JSON');
  },
  ENV: (config, rest, word) => {
    const names = new Map((config.Env ?? []).map((entry) => [entry.split('=', 1)[0] ?? '', entry]));
    for (const [name, value] of pairs('ENV', rest, word)) names.set(name, `${name}=${value}`);
    config.Env = [...names.values()];
  },
  LABEL: (config, rest, word) => {
    config.Labels = { ...config.Labels, ...Object.fromEntries(pairs('LABEL', rest, word)) };
  },
  EXPOSE: (config, rest, word) => {
    // One variable may hold several.
    const words = rest.split(/\s+/).flatMap((text) => word(text).split(/\s+/));
    const ports = words.filter((text) => text !== '').map((port) => [withProtocol(port), {}] as const);
    config.ExposedPorts = { ...config.ExposedPorts, ...Object.fromEntries(ports) };
  },
  VOLUME: (config, rest, word) => {
    const paths = (jsonWords(rest) ?? rest.split(/\s+/)).map(word);
    config.Volumes = { ...config.Volumes, ...Object.fromEntries(paths.map((path) => [path, {}] as const)) };
  },
  USER: (config, rest, word) => {
    config.User = word(rest);
  },
  WORKDIR: (config, rest, word) => {
    const path = word(rest);
    config.WorkingDir = path.startsWith('/') ? path : `${config.WorkingDir || ''}/${path}`;
  },
  STOPSIGNAL: (config, rest, word) => {
    config.StopSignal = word(rest);
  },
  ONBUILD: (config, rest) => {
    config.OnBuild = [...(config.OnBuild ?? []), rest];
  },
  HEALTHCHECK: (config, rest) => {
    config.Healthcheck = healthcheck(config, rest);
  },
};

function fail(name: string, rest: string, why: string): never {
  throw refuse(`${name} ${quote(rest, 64)}: ${why}`);
}

/** ["a","b"], or undefined for what is no list of texts. */
function jsonWords(rest: string): string[] | undefined {
  if (!rest.startsWith('[')) return undefined;
  try {
    const { value } = parseJson(rest);
    return Array.isArray(value) && value.every((word) => typeof word === 'string') ? value : undefined;
  } catch {
    return undefined;
  }
}

const wordsOrShell = (config: Fields, rest: string): string[] =>
  jsonWords(rest) ?? [...(config.Shell ?? ['/bin/sh', '-c']), rest];

/** NAME=value NAME="with spaces", or the old form NAME value. */
function pairs(instruction: string, rest: string, word: Word): (readonly [string, string])[] {
  const words = splitWords(rest);
  const old = /^(\S+)\s+(.*)$/s.exec(rest);
  const written = words[0]?.includes('=')
    ? words.map((text) => cut(instruction, text))
    : [[old?.[1], old?.[2]] as const];
  return written.map(([name, value]) => {
    const made = name === undefined ? '' : word(name);
    if (made === '' || value === undefined) fail(instruction, rest, 'must be NAME=value');
    return [made, word(value)];
  });
}

function cut(instruction: string, word: string): readonly [string, string] {
  const mark = word.indexOf('=');
  if (mark < 0) fail(instruction, word, 'must be NAME=value');
  return [word.slice(0, mark), word.slice(mark + 1)];
}

const UNITS: { readonly [unit: string]: number } = { ms: 1e6, s: 1e9, m: 60e9, h: 3600e9 };
const DURATIONS = {
  interval: 'Interval',
  timeout: 'Timeout',
  'start-period': 'StartPeriod',
  'start-interval': 'StartInterval',
};

function healthcheck(config: Fields, rest: string): NonNullable<ContainerConfig['Healthcheck']> {
  const options = /^(?:--[a-z-]+=\S+\s+)*/.exec(rest)?.[0] ?? '';
  const command = rest.slice(options.length);
  if (/^NONE$/i.test(command)) return { Test: ['NONE'] };
  const match = /^CMD\s+(.+)$/is.exec(command);
  if (match === null) fail('HEALTHCHECK', rest, 'want NONE or CMD');
  const list = jsonWords(match[1] ?? '');
  const made: { [name: string]: unknown } = { Test: list === undefined ? ['CMD-SHELL', match[1]] : ['CMD', ...list] };
  for (const [, name = '', value = ''] of options.matchAll(/--([a-z-]+)=(\S+)/g)) {
    const field = DURATIONS[name as keyof typeof DURATIONS];
    if (name === 'retries' && /^\d{1,6}$/.test(value)) made['Retries'] = Number(value);
    else if (field !== undefined) made[field] = duration(value) ?? fail('HEALTHCHECK', rest, `--${name}: no duration`);
    else fail('HEALTHCHECK', rest, `there is no --${name}=${value}`);
  }
  return { ...config.Healthcheck, ...made };
}

/** Go's: "1m30s". */
function duration(text: string): number | undefined {
  if (!/^(\d+(\.\d+)?(ms|s|m|h))+$/.test(text)) return undefined;
  return [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)].reduce(
    (sum, [, number, unit = '']) => sum + Number(number) * (UNITS[unit] ?? 0),
    0,
  );
}
