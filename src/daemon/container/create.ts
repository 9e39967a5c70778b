/**
 * create: a request and an image become a record, then a snapshot. The record is there first, as one that is to be
 * removed, so that of a daemon that is killed here nothing stays (recover.ts).
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { unpackImage } from '../../bundle/run.js';
import { TsrunError } from '../../errors.js';
import { type Image, readImage } from '../../image/image.js';
import type { Platform } from '../../image/manifest.js';
import { fit, formatPlatform } from '../../image/platform.js';
import type { ContentStore } from '../../image/store.js';
import type { Snapshotter } from '../../snapshot/snapshotter.js';
import { plain } from '../../util/quote.js';
import { together } from '../../util/together.js';
import type { ContainerCreate } from '../api/types.gen.js';
import { badRequest, notFound } from '../http/api-error.js';
import { type ApiVersion, atLeast } from '../http/api-version.js';
import { resolveLinks } from '../network/links.js';
import type { Actors } from './actors.js';
import type { Container } from './container.js';
import { chooseHostname } from './hostname.js';
import { checkLogConfig } from './log-config.js';
import type { ContainerMounts } from './mounts.js';
import { containerOptions, type Defaults } from './options/index.js';
import { containerOf } from './options/modes.js';
import { checkName, makeUpName } from './options/name.js';
import { type ContainerRecord, CREATED } from './record.js';
import { finishRemoval } from './remove.js';
import { ofFiles } from './start.js';
import { now } from './times.js';
import { makeWorkingDirectory } from './working-directory.js';

export interface CreateDeps {
  readonly actors: Actors;
  readonly content: ContentStore;
  readonly snapshots: Snapshotter;
  readonly defaults: Defaults;
  readonly mounts: Pick<ContainerMounts, 'plan' | 'make'>;
  readonly records: {
    /** Throws ApiError 409 for a name that is taken. */
    add(record: ContainerRecord): Promise<void>;
    checkName(name: string): void;
  };
}

export interface Created {
  readonly container: Container;
  readonly warnings: readonly string[];
}

/** Programs conclude from it that they run in a container. */
const MARK = '.dockerenv';
const MOST_NAMES = 8;

export interface Asked {
  /** As the client wrote it; undefined: one is made up. */
  readonly name: string | undefined;
  /** Of which the image must be; undefined: any. */
  readonly platform: Platform | undefined;
}

/** Throws ApiError, TsrunError REQUEST_INVALID. */
export async function createContainer(
  deps: CreateDeps,
  body: ContainerCreate,
  asked: Asked,
  version: ApiVersion,
): Promise<Created> {
  const name = asked.name === undefined ? freeName(deps) : checkName(asked.name);
  deps.records.checkName(name); // before the image: nobody pulls for a name that is taken
  const reference = body.Image ?? '';
  checkAsked(body, version);
  const image = imageOf(deps.content, reference);
  checkPlatform(image, reference, asked.platform);
  const options = containerOptions(body, image.config, version, deps.defaults);
  const { config, networks, warnings } = options;
  const hostConfig = resolveLinks(options.hostConfig, (text) => deps.actors.find(text));
  checkLogConfig(hostConfig.LogConfig);
  if (containerOf(hostConfig.NetworkMode ?? '', 'network') === name) throw badRequest('cannot join own network');
  const id = randomBytes(32).toString('hex');
  const record: ContainerRecord = {
    ...{ id, name, hostConfig, networks },
    config: { ...config, Hostname: chooseHostname(id, config, hostConfig) },
    created: now(),
    image: { reference, id: image.id, manifest: image.descriptor.digest },
    endpoints: {},
    mounts: deps.mounts.plan(config, hostConfig),
    state: { ...CREATED, status: 'removing' },
    ...{ restartCount: 0, stoppedByUser: false, starts: 0, volumesGo: true },
  };
  await deps.records.add(record);
  const container = deps.actors.of(record);
  await container.mutex.run(() => fill(deps, container, image));
  return { container, warnings };
}

function freeName({ records }: CreateDeps): string {
  for (let attempt = 0; ; attempt++) {
    const name = makeUpName(attempt);
    try {
      records.checkName(name);
      return name;
    } catch (error) {
      if (attempt >= MOST_NAMES) throw error;
    }
  }
}

/** What no image can mend, in the words clients know. */
function checkAsked({ HostConfig: _, NetworkingConfig, ...config }: ContainerCreate, version: ApiVersion): void {
  if (Object.keys(config).length === 0) throw badRequest('config cannot be empty in order to create a container');
  const { Image = '', Cmd, Entrypoint } = config;
  if (Image === '' && !Cmd?.length && !Entrypoint?.length) throw badRequest('no command specified');
  const networks = Object.keys(NetworkingConfig?.EndpointsConfig ?? {});
  if (networks.length > 1 && !atLeast(version, '1.44'))
    throw badRequest(
      `Container cannot be connected to network endpoints: ${networks.join(', ')}: API versions before 1.44 take one network`,
    );
}

/** Clients pull when they read these words. */
function imageOf(content: ContentStore, reference: string): Image {
  try {
    return readImage(content, content.resolve(reference));
  } catch (error) {
    if (!(error instanceof TsrunError) || error.code !== 'IMAGE_NOT_FOUND') throw error;
    const tagged = /[:@][^/]+$/.test(reference) ? reference : `${reference}:latest`;
    throw notFound(`No such image: ${plain(tagged)}`, error);
  }
}

/** 404, so that clients pull the image of the right one. */
function checkPlatform({ config }: Image, reference: string, wanted: Platform | undefined): void {
  const { os, architecture, variant } = config;
  const own = { os, architecture, ...(variant === undefined ? {} : { variant }) };
  if (wanted === undefined || fit(own, wanted) !== undefined) return;
  throw notFound(
    `image with reference ${plain(reference)} was found but its platform (${formatPlatform(own)}) does not match the specified platform (${formatPlatform(wanted)})`,
  );
}

async function fill({ content, snapshots, mounts }: CreateDeps, container: Container, image: Image): Promise<void> {
  const { id, needs } = container;
  try {
    const parent = await unpackImage(content, snapshots.store, image, needs.warn);
    const target = join(needs.directory, id, 'rootfs');
    mkdirSync(target, { recursive: true, mode: 0o710 });
    await snapshots.prepare({ key: id, parent, image: image.descriptor.digest, marks: [MARK] });
    await together(
      mounts.make(container.record, snapshots.directories(id)),
      makeWorkingDirectory(snapshots, container.record, target),
    );
    container.become({ status: 'created' });
    await container.saved();
  } catch (error) {
    await finishRemoval(container, true, true).catch((second: unknown) =>
      needs.warn(`undo of a create: ${String(second)}`),
    );
    throw ofFiles(error);
  }
  container.happened('create');
}
