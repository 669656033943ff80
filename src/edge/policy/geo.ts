import { readFile, stat } from 'node:fs/promises';
import { Reader } from 'mmdb-lib';

/** Where addresses are, and whose. */
export interface Geo {
  /** ISO 3166-1, two letters. */
  country(address: string): string | undefined;
  asn(address: string): number | undefined;
}

interface CountryRecord {
  country?: { iso_code?: string };
}
interface AsnRecord {
  autonomous_system_number?: number;
}

/** A file in MaxMind's format, which another program may replace at any time. */
class GeoFile<T> {
  private reader: Reader<never> | undefined;
  private seen = '';

  constructor(private readonly path: string | undefined) {}

  /** @returns whether it was read. @throws when it cannot be: what was read before goes on to answer */
  async refresh(): Promise<boolean> {
    if (this.path === undefined) return false;
    const { mtimeMs, size, ino } = await stat(this.path);
    const now = `${mtimeMs} ${size} ${ino}`;
    if (now === this.seen) return false;
    const reader = new Reader<never>(await readFile(this.path));
    this.reader = reader;
    this.seen = now;
    return true;
  }

  find(address: string): T | undefined {
    if (!this.reader || (address.includes(':') && this.reader.metadata.ipVersion === 4)) return undefined;
    return (this.reader.get(address) as T | null) ?? undefined;
  }
}

/** `GEOIP_DB` and `GEOIP_ASN_DB`: GeoLite2 or what has its fields. Without a file nothing is known. */
export class GeoDatabases implements Geo {
  private readonly countries: GeoFile<CountryRecord>;
  private readonly networks: GeoFile<AsnRecord>;

  constructor(files: { countries?: string; networks?: string }) {
    this.countries = new GeoFile(files.countries);
    this.networks = new GeoFile(files.networks);
  }

  /** Reads what is new or has changed. @returns whether anything was. @throws the first problem, after both were tried */
  async refresh(): Promise<boolean> {
    const tried = await Promise.allSettled([this.countries.refresh(), this.networks.refresh()]);
    for (const one of tried) if (one.status === 'rejected') throw one.reason;
    return tried.some((one) => one.status === 'fulfilled' && one.value);
  }

  country(address: string): string | undefined {
    return this.countries.find(address)?.country?.iso_code;
  }

  asn(address: string): number | undefined {
    return this.networks.find(address)?.autonomous_system_number;
  }
}
