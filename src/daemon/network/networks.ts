/**
 * The networks of the daemon: records of networks and of what is connected to them, each in the database when a call
 * returns, and what containers of the API want of them.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type ContainerChange,
  type ContainerNetworkRecord,
  type EndpointRequest,
  NetworkError,
  type NetworkFiles,
  type Networking,
  type NetworkingOptions,
  type NetworkRecord,
  type NetworkRequest,
  openNetworking,
} from '../../network/index.js';
import type { Mount } from '../../spec/types.gen.js';
import type { Containers } from '../container/containers.js';
import type { ContainerRecord } from '../container/record.js';
import type { EventBus } from '../events.js';
import type { Database, Table } from '../store/database.js';
import type { Published } from '../view/live.js';
import { linkEnvironment } from './links.js';
import { networkRequest } from './request.js';
import { endpointSettings } from './view.js';

export interface NetworksNeeds {
  readonly database: Database;
  readonly events: EventBus;
  readonly containers: Containers;
  /** <data root>/containers: each has its files below its id. */
  readonly directory: string;
  readonly options: NetworkingOptions;
}

/** What a container's config.json needs. */
export interface PreparedNetwork {
  /** Path of the network namespace to join, or the host's. */
  readonly namespace: string | 'host';
  /** hosts, hostname and resolv.conf over the image's. */
  readonly mounts: readonly Mount[];
  /** NAME=value, of links. */
  readonly environment: readonly string[];
  readonly warnings: readonly string[];
}

type Wishes = ContainerRecord['networks'];

export class Networks {
  readonly #needs: NetworksNeeds;
  readonly #networks: Table<NetworkRecord>;
  readonly #connected: Table<ContainerNetworkRecord>;
  readonly #networking: Networking;

  private constructor(
    needs: NetworksNeeds,
    networks: Table<NetworkRecord>,
    connected: Table<ContainerNetworkRecord>,
    networking: Networking,
  ) {
    this.#needs = needs;
    this.#networks = networks;
    this.#connected = connected;
    this.#networking = networking;
  }

  static async open(needs: NetworksNeeds): Promise<Networks> {
    const networks = needs.database.table<NetworkRecord>('networks');
    const connected = needs.database.table<ContainerNetworkRecord>('container-networks');
    const values = <T>(table: Table<T>): T[] => table.entries().map(([, value]) => value);
    const kept = { networks: values(networks), containers: values(connected) };
    const { networking, state } = await openNetworking(needs.options, kept);
    const ids = new Set([
      ...state.networks.map(({ id }) => id),
      ...state.containers.map(({ containerId }) => containerId),
    ]);
    await needs.database.transaction(() => {
      for (const network of state.networks) void networks.put(network.id, network);
      for (const container of state.containers) void connected.put(container.containerId, container);
      for (const { id } of kept.networks) if (!ids.has(id)) void networks.remove(id);
      for (const { containerId } of kept.containers) if (!ids.has(containerId)) void connected.remove(containerId);
    });
    const opened = new Networks(needs, networks, connected, networking);
    for (const { containerId } of state.containers) await opened.#agree(containerId);
    return opened;
  }

  /** A rename, a connect or a disconnect that a killed daemon was in: what is there counts, and the container's name. */
  async #agree(containerId: string): Promise<void> {
    const record = this.#needs.containers.get(containerId);
    const there = this.#networking.container(containerId);
    if (record === undefined || there === undefined) return;
    if (there.name !== record.name) await this.rename(record);
    if (there.mode.kind !== 'networks') return;
    const names = there.endpoints.map(({ networkName }) => networkName);
    if (names.toSorted().join() === Object.keys(record.networks).toSorted().join()) return;
    record.networks = Object.fromEntries(names.map((name) => [name, record.networks[name] ?? {}]));
    this.#show(record, there);
    await this.#needs.containers.save(record);
  }

  list(): readonly NetworkRecord[] {
    return this.#networking.list();
  }

  find(text: string): NetworkRecord {
    return this.#networking.find(text);
  }

  endpointsOf(networkId: string): ReturnType<Networking['endpointsOf']> {
    return this.#networking.endpointsOf(networkId);
  }

  async create(request: NetworkRequest): Promise<NetworkRecord> {
    const network = await this.#networking.create(request);
    try {
      await this.#networks.put(network.id, network);
    } catch (error) {
      await this.#networking.remove(network.id);
      throw error;
    }
    this.#publish('create', network);
    return network;
  }

  async remove(text: string): Promise<NetworkRecord> {
    const network = await this.#networking.remove(text, ({ id }) => this.#networks.remove(id));
    this.#publish('destroy', network);
    return network;
  }

  /** Before the container's start. The record gets names for networks that were given by id, and its endpoints; whoever calls saves it. */
  async prepare(record: ContainerRecord): Promise<PreparedNetwork> {
    record.networks = Object.fromEntries(
      Object.entries(record.networks).map(([text, wishes]) => [this.#nameOf(text), wishes]),
    );
    const environment = linkEnvironment(record, (text) => this.#needs.containers.find(text));
    const request = networkRequest(record, (text) => this.#needs.containers.find(text).id);
    const prepared = await this.#networking.prepare(request);
    const { containerId } = prepared.record;
    await this.#connected.put(containerId, prepared.record);
    this.#show(record, prepared.record);
    const directory = join(this.#needs.directory, containerId);
    const mounts = writeFiles(directory, prepared.files);
    for (const { networkId } of prepared.record.endpoints) this.#publish('connect', this.find(networkId), containerId);
    return { namespace: prepared.record.netnsPath ?? 'host', mounts, environment, warnings: prepared.warnings };
  }

  /** As it was given where there is none: the module network says so. */
  #nameOf(text: string): string {
    try {
      return this.find(text).name;
    } catch (error) {
      if (error instanceof NetworkError) return text;
      throw error;
    }
  }

  /** Of a container that has ended, or never began. */
  async release(record: ContainerRecord): Promise<void> {
    const connected = this.#networking.container(record.id);
    await this.#networking.release(record.id);
    await this.#connected.remove(record.id);
    record.endpoints = {};
    for (const { networkId } of connected?.endpoints ?? [])
      this.#publish('disconnect', this.find(networkId), record.id);
  }

  /** Of one that runs; others are only told by their record. wishes: the record's networks afterwards. */
  async connect(record: ContainerRecord, request: EndpointRequest, wishes: Wishes): Promise<void> {
    const changed = await this.#networking.connect(record.id, request);
    try {
      await this.#keep(record, changed.record, wishes);
    } catch (error) {
      await this.#networking.disconnect(record.id, request.network, async () => undefined);
      throw error;
    }
    rewriteFiles(join(this.#needs.directory, record.id), changed);
    this.#publish('connect', this.find(request.network), record.id);
  }

  async disconnect(record: ContainerRecord, network: string, wishes: Wishes): Promise<void> {
    const keep = (planned: ContainerNetworkRecord) => this.#keep(record, planned, wishes);
    const changed = await this.#networking.disconnect(record.id, network, keep);
    await this.#connected.put(record.id, changed.record).catch(() => undefined); // where its ports lead to now
    rewriteFiles(join(this.#needs.directory, record.id), changed);
    this.#publish('disconnect', this.find(network), record.id);
  }

  /** Both records or none. Throws TsrunError IO. */
  async #keep(record: ContainerRecord, connected: ContainerNetworkRecord, wishes: Wishes): Promise<void> {
    const { networks, endpoints } = record;
    record.networks = wishes;
    this.#show(record, connected);
    try {
      await this.#needs.database.transaction(() => {
        for (const put of [this.#connected.put(record.id, connected), this.#needs.containers.save(record)])
          put.catch(() => undefined); // the transaction says it
      });
    } catch (error) {
      Object.assign(record, { networks, endpoints });
      throw error;
    }
  }

  async rename(record: ContainerRecord): Promise<void> {
    const renamed = this.#networking.rename(record.id, record.name);
    // On the disk the container's record counts: see #agree.
    if (renamed) await this.#connected.put(record.id, renamed).catch(() => undefined);
  }

  isConnected(record: ContainerRecord): boolean {
    return this.#networking.container(record.id) !== undefined;
  }

  published(id: string): readonly Published[] {
    return this.#networking.container(id)?.ports ?? [];
  }

  sandbox(id: string): string {
    return this.#networking.container(id)?.netnsPath ?? '';
  }

  close(): Promise<void> {
    return this.#networking.close();
  }

  #show(record: ContainerRecord, connected: ContainerNetworkRecord): void {
    record.endpoints = Object.fromEntries(
      connected.endpoints.map((endpoint) => [endpoint.networkName, endpointSettings(endpoint)]),
    );
  }

  #publish(action: string, { id, name, driver }: NetworkRecord, container?: string): void {
    const more = container === undefined ? {} : { container };
    this.#needs.events.publish('network', action, id, { ...more, name, type: driver });
  }
}

const FILES = [
  ['hostname', 'hostname'],
  ['hosts', 'hosts'],
  ['resolv.conf', 'resolvConf'],
] as const satisfies readonly (readonly [name: string, key: keyof NetworkFiles])[];

function writeFiles(directory: string, files: NetworkFiles): Mount[] {
  return FILES.map(([name, key]) => {
    const source = join(directory, name);
    writeFileSync(source, files[key], { mode: 0o644 });
    return { destination: `/etc/${name}`, type: 'bind', source, options: ['rbind', 'rprivate'] };
  });
}

/** In place, since they are bound into the container; a file that the container changed is its own from then on. */
function rewriteFiles(directory: string, { files, previous }: ContainerChange): void {
  for (const [name, key] of FILES) {
    const path = join(directory, name);
    if (files[key] !== previous[key] && readFileSync(path, 'utf8') === previous[key]) writeFileSync(path, files[key]);
  }
}
