/**
 * All containers of the daemon: in memory, so that no list waits for anything, and each in the database before anything of
 * it is done on the host.
 */
import { quoteName } from '../../util/quote.js';
import { badRequest, conflict, notFound } from '../http/api-error.js';
import { linksOf, renamedLinks, withoutLink } from '../network/links.js';
import type { Database, Table } from '../store/database.js';
import type { ContainerRecord } from './record.js';

const PREFIX = /^[0-9a-f]{1,64}$/;

export class Containers {
  readonly #database: Database;
  readonly #table: Table<ContainerRecord>;
  readonly #byId = new Map<string, ContainerRecord>();
  readonly #idOfName = new Map<string, string>();

  constructor(database: Database) {
    this.#database = database;
    this.#table = database.table<ContainerRecord>('containers');
    for (const [id, record] of this.#table.entries()) this.#keep(id, record);
  }

  /** Youngest first, as they are listed. */
  list(): readonly ContainerRecord[] {
    return [...this.#byId.values()].toSorted((a, b) => (a.created < b.created ? 1 : a.created > b.created ? -1 : 0));
  }

  get(id: string): ContainerRecord | undefined {
    return this.#byId.get(id);
  }

  byName(name: string): ContainerRecord | undefined {
    return this.#byId.get(this.#idOfName.get(name) ?? '');
  }

  /**
   * text: an id, a name with or without a slash, what only one id begins with, or by a link "NAME/ALIAS". Throws ApiError
   * 404, 400.
   */
  find(text: string): ContainerRecord {
    const exact = this.#byId.get(text) ?? this.byName(text.replace(/^\//, '')) ?? this.#byLink(text);
    if (exact !== undefined) return exact;
    const [found, ...others] = PREFIX.test(text)
      ? [...this.#byId.values()].filter(({ id }) => id.startsWith(text))
      : [];
    if (found === undefined) throw notFound(`No such container: ${quoteName(text).slice(1, -1)}`);
    if (others.length === 0) return found;
    throw badRequest(`multiple IDs found with provided prefix: ${text}`);
  }

  #byLink(text: string): ContainerRecord | undefined {
    const match = /^\/?([^/]+)\/([^/]+)$/.exec(text);
    const links = linksOf(this.byName(match?.[1] ?? '')?.hostConfig ?? {});
    return this.byName(links.find(({ alias }) => alias === match?.[2])?.target ?? '');
  }

  /** Throws ApiError 404, 409. text: "NAME/ALIAS". */
  async unlink(text: string): Promise<void> {
    this.find(text);
    const [, parent = '', alias = ''] = /^\/?([^/]+)\/([^/]+)$/.exec(text) ?? [];
    const record = this.byName(parent);
    const left = withoutLink(record?.hostConfig ?? {}, alias);
    if (record === undefined || left === undefined)
      throw conflict('Conflict, cannot remove the default link name of the container');
    await this.change(record, { hostConfig: left });
  }

  /** On the disk too, or not at all. Throws TsrunError IO. */
  async change(
    record: ContainerRecord,
    change: Partial<Pick<ContainerRecord, 'hostConfig' | 'networks'>>,
  ): Promise<void> {
    const { hostConfig, networks } = record;
    Object.assign(record, change);
    try {
      await this.save(record);
    } catch (error) {
      Object.assign(record, { hostConfig, networks });
      throw error;
    }
  }

  /** Throws ApiError 409 when the name is taken; dockerd's words, which clients look for. */
  checkName(name: string): void {
    const other = this.#idOfName.get(name);
    if (other === undefined) return;
    throw conflict(
      `Conflict. The container name "/${name}" is already in use by container "${other}". You have to remove (or rename) that container to be able to reuse that name.`,
    );
  }

  /** The name is its own from here on. Throws ApiError 409. */
  async add(record: ContainerRecord): Promise<void> {
    this.checkName(record.name);
    this.#keep(record.id, record);
    try {
      await this.#table.put(record.id, record);
    } catch (error) {
      this.#forget(record);
      throw error;
    }
  }

  /** Writes what was changed in the record. */
  async save(record: ContainerRecord): Promise<void> {
    if (this.#byId.get(record.id) === record) await this.#table.put(record.id, record);
  }

  /** With the links to it: all records or none. Throws ApiError 409, TsrunError IO. */
  async rename(record: ContainerRecord, name: string): Promise<void> {
    this.checkName(name);
    const before = record.name;
    const linked = [...this.#byId.values()].filter(
      ({ hostConfig }) => renamedLinks(hostConfig, before, name) !== hostConfig,
    );
    const rename = (from: string, to: string): void => {
      this.#rename(record, to);
      for (const other of linked) other.hostConfig = renamedLinks(other.hostConfig, from, to);
    };
    rename(before, name);
    try {
      await this.#database.transaction(() => {
        for (const one of new Set([record, ...linked])) this.#table.put(one.id, one).catch(() => undefined); // it says so
      });
    } catch (error) {
      rename(name, before);
      throw error;
    }
  }

  /** anyway: it is forgotten even if the disk does not take it: it is there as one that is to be removed. */
  async remove(record: ContainerRecord, anyway = false): Promise<void> {
    if (anyway) this.#forget(record);
    await this.#table.remove(record.id);
    this.#forget(record);
  }

  #rename(record: ContainerRecord, name: string): void {
    this.#idOfName.delete(record.name);
    record.name = name;
    this.#idOfName.set(name, record.id);
  }

  #keep(id: string, record: ContainerRecord): void {
    this.#byId.set(id, record);
    this.#idOfName.set(record.name, id);
  }

  #forget({ id, name }: ContainerRecord): void {
    this.#byId.delete(id);
    if (this.#idOfName.get(name) === id) this.#idOfName.delete(name);
  }
}
