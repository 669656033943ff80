/** Something that uses another thing. */
export class UsingSite {
  siteId: number;
  niceId: string;
  name: string;
}

/** `total`, and the first hundred of them. */
export class UsingSites {
  total: number;
  sites: UsingSite[];
}

export class UsingTemplate {
  templateId: number;
  name: string;
}

/** `total`, and the first hundred of them. */
export class UsingTemplates {
  total: number;
  templates: UsingTemplate[];
}

export class UsingKey {
  siteProvisioningKeyId: string;
  name: string;
}

/** `total`, and the first hundred of them. */
export class UsingKeys {
  total: number;
  keys: UsingKey[];
}

/** What uses a profile. */
export class ProfileUsers {
  templates: UsingTemplates;
  /** Sites that are started by its bootstrap; without a bootstrap none is. */
  sites: UsingSites;
}

/** What uses a template: keys are issued under it. */
export class TemplateUsers {
  keys: UsingKeys;
}

/** What a key has made; none of it goes with the key. */
export class KeyUsers {
  sites: UsingSites;
}
