/**
 * References to images as docker writes them: [REGISTRY[:PORT]/]REPOSITORY[:TAG][@DIGEST]. Without a registry it is
 * docker.io, where a name without a slash is in library/. The first component is a registry when it has a dot or a port
 * or is localhost. The grammar is that of the distribution project's reference package, which docker and podman share.
 *
 * Pure.
 */
import { TsrunError } from '../errors.js';
import { type Digest, isDigest } from '../util/digest.js';
import { quote } from '../util/quote.js';

export interface Reference {
  /** Host, with its port if one was given: "docker.io", "[::1]:5000". */
  readonly registry: string;
  /** "library/busybox" */
  readonly repository: string;
  readonly tag: string | undefined;
  readonly digest: Digest | undefined;
}

export const DEFAULT_REGISTRY = 'docker.io';
export const DEFAULT_TAG = 'latest';
const OFFICIAL = 'library/';
const MAX_NAME = 255;

const COMPONENT = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const TAG = /^\w[\w.-]{0,127}$/;
const LABEL = '(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])';
const REGISTRY = new RegExp(`^(?:${LABEL}(?:\\.${LABEL})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?$`);
const HEX_ID = /^[a-f0-9]{64}$/;

export const isTag = (text: string): boolean => TAG.test(text);
export const isRepository = (text: string): boolean =>
  text.length <= MAX_NAME && text.split('/').every((part) => COMPONENT.test(part));
export const isRegistry = (text: string): boolean => REGISTRY.test(text);

function refuse(text: string, reason: string, hint?: string): TsrunError {
  return new TsrunError('REFERENCE_INVALID', `image ${quote(text, 512)}: ${reason}`, { hint });
}

/** Before the slash stands a registry, or the first part of a repository of Docker Hub. */
function splitRegistry(name: string): readonly [registry: string, repository: string] {
  const slash = name.indexOf('/');
  const first = name.slice(0, slash);
  const isHost = slash > 0 && (/[.:]/.test(first) || first === 'localhost' || first !== first.toLowerCase());
  if (!isHost) return [DEFAULT_REGISTRY, name];
  return [first === 'index.docker.io' ? DEFAULT_REGISTRY : first, name.slice(slash + 1)];
}

function checkRepository(text: string, repository: string): void {
  if (repository === '') throw refuse(text, 'the name of the repository is missing');
  const wrong = repository.split('/').find((part) => !COMPONENT.test(part));
  if (wrong === undefined) return;
  const lower = repository !== repository.toLowerCase();
  const hint = lower ? 'the name of a repository is lower case' : undefined;
  throw refuse(
    text,
    wrong === '' ? 'a part of the name is empty' : `${quote(wrong, 64)} cannot be part of a name`,
    hint,
  );
}

/** Throws TsrunError REFERENCE_INVALID. Neither tag nor digest is filled in: withDefaultTag() does. */
export function parseReference(text: string): Reference {
  if (text === '') throw refuse(text, 'the reference is empty');
  if (HEX_ID.test(text)) throw refuse(text, '64 digits are an id, not a name');
  const at = text.indexOf('@');
  const digest = at < 0 ? undefined : text.slice(at + 1);
  if (digest !== undefined && !isDigest(digest)) throw refuse(text, `${quote(digest, 160)} is not a digest`);
  const named = at < 0 ? text : text.slice(0, at);
  const colon = named.lastIndexOf(':');
  const hasTag = colon > named.lastIndexOf('/');
  const tag = hasTag ? named.slice(colon + 1) : undefined;
  if (tag !== undefined && !TAG.test(tag)) {
    throw refuse(
      text,
      `${quote(tag, 160)} is not a tag`,
      'a tag has up to 128 of A-Z a-z 0-9 _ . - and starts with none of . -',
    );
  }
  const [registry, path] = splitRegistry(hasTag ? named.slice(0, colon) : named);
  if (!REGISTRY.test(registry)) throw refuse(text, `${quote(registry, 64)} is not the name of a registry`);
  const repository = registry === DEFAULT_REGISTRY && !path.includes('/') && path !== '' ? OFFICIAL + path : path;
  checkRepository(text, repository);
  if (`${registry}/${repository}`.length > MAX_NAME)
    throw refuse(text, `the name is longer than ${MAX_NAME} characters`);
  return { registry, repository, tag, digest };
}

export function withDefaultTag(reference: Reference): Reference {
  if (reference.tag !== undefined || reference.digest !== undefined) return reference;
  return { ...reference, tag: DEFAULT_TAG };
}

const suffix = ({ tag, digest }: Reference): string =>
  `${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`;

/** "docker.io/library/busybox:latest" */
export function formatReference(reference: Reference): string {
  return `${repositoryName(reference)}${suffix(reference)}`;
}

/** "docker.io/library/busybox" */
export function repositoryName({ registry, repository }: Reference): string {
  return `${registry}/${repository}`;
}

/** As docker shows it: "busybox:latest". */
export function familiarReference(reference: Reference): string {
  return `${familiarName(reference)}${suffix(reference)}`;
}

export function familiarName({ registry, repository }: Reference): string {
  if (registry !== DEFAULT_REGISTRY) return `${registry}/${repository}`;
  return repository.startsWith(OFFICIAL) && !repository.slice(OFFICIAL.length).includes('/')
    ? repository.slice(OFFICIAL.length)
    : repository;
}
