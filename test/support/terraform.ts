import { isDeepStrictEqual } from 'node:util';
import type { Api } from './api.js';

type Attributes = Record<string, unknown>;

/** One kind of object, as a Terraform provider describes it to itself. Paths are relative to the API's prefix. */
export interface ResourceType {
  name: string;
  create: { path: string; body: Attributes; method?: 'PUT' | 'POST' };
  /** The id in the answer to the creation. */
  id: string;
  /** Where one is read; `list`: there is no read by id, so a provider looks into the list. */
  read: (id: string | number) => string;
  list?: { key: string; id: string };
  /** How the object lies in the answer to a read [the answer itself]. */
  unwrap?: (data: Attributes) => Attributes;
  update?: { path: (id: string | number) => string; body: Attributes; method?: 'POST' | 'PATCH' };
  delete: { path: (id: string | number) => string; body?: Attributes };
  /** Attributes that are sent but never shown: secrets, and what is shown under another name. */
  writeOnly?: string[];
}

/** What a provider would say of a difference between what the configuration wants and what the API shows. */
export interface Drift {
  attribute: string;
  wanted: unknown;
  shown: unknown;
}

/** The life of one object under a Terraform provider; throws with the step's name when the API gets in the way. */
export class ManagedResource {
  private id!: string | number;

  constructor(
    private readonly api: Api,
    private readonly type: ResourceType,
  ) {}

  /** One that somebody else made. */
  static existing(api: Api, type: ResourceType, id: string | number): ManagedResource {
    const managed = new ManagedResource(api, type);
    managed.id = id;
    return managed;
  }

  /** create, then read. @returns what a plan right afterwards would change: nothing, when the API is honest. */
  async create(): Promise<Drift[]> {
    const { method = 'PUT', path, body } = this.type.create;
    const made = await this.api.expect<Attributes>(method, path, body);
    this.id = made[this.type.id] as string | number;
    if (this.id === undefined || this.id === null)
      throw new Error(`${this.type.name}: the answer to the creation has no ${this.type.id}`);
    return this.plan(body);
  }

  /** Compares the configuration with what a refresh shows: every attribute that was sent, exactly. */
  async plan(wanted: Attributes): Promise<Drift[]> {
    const shown = await this.refresh();
    if (!shown) throw new Error(`${this.type.name} ${this.id} is gone`);
    return Object.entries(wanted)
      .filter(([attribute]) => !this.type.writeOnly?.includes(attribute))
      .filter(([attribute, value]) => !isDeepStrictEqual(shown[attribute], value))
      .map(([attribute, value]) => ({ attribute, wanted: value, shown: shown[attribute] }));
  }

  async update(): Promise<Drift[]> {
    const { update, create } = this.type;
    if (!update) return [];
    await this.change(update.body);
    return this.plan({ ...create.body, ...update.body });
  }

  /** Sends these attributes. @returns what a plan right afterwards would change of them. */
  async change(wanted: Attributes): Promise<Drift[]> {
    const { update } = this.type;
    if (!update) throw new Error(`${this.type.name} is not updated in place`);
    await this.api.expect(update.method ?? 'POST', update.path(this.id), wanted);
    return this.plan(wanted);
  }

  /** Two refreshes without a change in between show the same. */
  async isStable(): Promise<boolean> {
    return isDeepStrictEqual(await this.refresh(), await this.refresh());
  }

  /** An object that is imported by id alone looks like the one that was made. */
  async import(): Promise<Attributes | null> {
    return ManagedResource.existing(this.api, this.type, this.id).refresh();
  }

  /** delete, then read. @returns whether it is gone. */
  async delete(): Promise<boolean> {
    await this.api.expect('DELETE', this.type.delete.path(this.id), this.type.delete.body);
    return (await this.refresh()) === null;
  }

  /** @returns null when the object does not exist. */
  async refresh(): Promise<Attributes | null> {
    const reply = await this.api.get<Attributes>(this.type.read(this.id));
    if (reply.status === 404) return null;
    if (reply.status !== 200) throw new Error(`${this.type.name} ${this.id}: ${reply.status} ${reply.text}`);
    const { list, unwrap } = this.type;
    if (list) return (reply.body.data[list.key] as Attributes[]).find((item) => item[list.id] === this.id) ?? null;
    return unwrap ? unwrap(reply.body.data) : reply.body.data;
  }
}
