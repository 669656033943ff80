import type { SiteState } from '#contracts';

export class StateCounts implements Record<SiteState, number> {
  pending: number;
  never_connected: number;
  online: number;
  offline: number;
  suspended: number;
  revoked: number;
}

export class GroupCount {
  groupId: number;
  name: string;
  count: number;
}

export class LabelValueCount {
  value: string;
  count: number;
}

export class LabelCount {
  key: string;
  /** Sites that have the key. */
  count: number;
  /** The most frequent 20 values. */
  values: LabelValueCount[];
}

export class VersionCount {
  agentVersion: string;
  count: number;
}

export class TemplateCount {
  templateId: number;
  count: number;
}

export class ProfileCount {
  profileId: number;
  count: number;
}

/** How many sites of an organization have what: the most frequent 100 of each kind, 20 of labels. */
export class SiteFacets {
  states: StateCounts;
  groups: GroupCount[];
  labels: LabelCount[];
  agentVersions: VersionCount[];
  templates: TemplateCount[];
  profiles: ProfileCount[];
}
