/**
 * A container as GET /containers/json shows it.
 *
 * Pure.
 */

import { parseRfc3339 } from '../../util/nanoseconds.js';
import type { ContainerRecord } from '../container/record.js';
import type { ApiRequest } from '../http/route.js';
import { linksOf } from '../network/links.js';
import { commandOf, endpointViews, mountView, type Sizes } from './container.js';
import type { Live, Published } from './live.js';
import { statusText } from './status.js';

export interface SummaryContext {
  /** Milliseconds. */
  readonly now: number;
  readonly atLeast: ApiRequest['atLeast'];
  /** linkNames(). */
  readonly linkNames: ReadonlyMap<string, readonly string[]>;
}

/** By a container's name, what others call it in their links: "/other/alias". */
export function linkNames(records: readonly ContainerRecord[]): Map<string, readonly string[]> {
  const found = new Map<string, readonly string[]>();
  for (const { name, hostConfig } of records) {
    for (const { target, alias } of linksOf(hostConfig)) {
      found.set(target, [...(found.get(target) ?? []), `/${name}/${alias}`]);
    }
  }
  return found;
}

/** image: as it is called now; its id when the name belongs to another one. */
export function containerSummary(
  record: ContainerRecord,
  image: string,
  live: Live,
  sizes: Sizes | undefined,
  { now, atLeast, linkNames }: SummaryContext,
) {
  const { id, config, hostConfig, state } = record;
  const annotations = hostConfig.Annotations;
  return {
    Id: id,
    Names: [`/${record.name}`, ...(linkNames.get(record.name) ?? [])],
    Image: image,
    ImageID: record.image.id,
    Command: commandText(record),
    Created: Number((parseRfc3339(record.created) ?? 0n) / 1_000_000_000n),
    Ports: portList(record, live.published(id)),
    ...(sizes === undefined ? {} : { SizeRw: sizes.rw, SizeRootFs: sizes.rootFs }),
    Labels: config.Labels ?? {},
    State: state.status,
    Status: statusText(state, now),
    HostConfig: {
      NetworkMode: hostConfig.NetworkMode ?? 'default',
      ...(atLeast('1.46') && annotations !== undefined ? { Annotations: annotations } : {}),
    },
    NetworkSettings: { Networks: endpointViews(record) },
    Mounts: record.mounts.map(mountView),
    ...(atLeast('1.48') ? { ImageManifestDescriptor: { digest: record.image.manifest } } : {}),
  };
}

function commandText(record: ContainerRecord): string {
  const [path = '', ...args] = commandOf(record);
  return [path, ...args.map((arg) => (arg.includes(' ') ? `'${arg}'` : arg))].join(' ');
}

interface Port {
  readonly IP?: string;
  readonly PrivatePort: number;
  readonly PublicPort?: number;
  readonly Type: string;
}

function portList({ config, state }: ContainerRecord, published: readonly Published[]): Port[] {
  if (state.pid === 0) return [];
  const open = published.map(({ protocol, containerPort, hostIp, hostPort }) => ({
    IP: hostIp,
    PrivatePort: containerPort,
    PublicPort: hostPort,
    Type: protocol,
  }));
  const isOpen = (port: number, type: string) =>
    open.some(({ PrivatePort, Type }) => PrivatePort === port && Type === type);
  const exposed = Object.keys(config.ExposedPorts ?? {}).flatMap((text) => {
    const [port = '', type = 'tcp'] = text.split('/');
    return isOpen(Number(port), type) ? [] : [{ PrivatePort: Number(port), Type: type }];
  });
  return [...exposed, ...open];
}
