import {
  IconBox,
  IconBuilding,
  IconClipboardList,
  IconDeviceDesktop,
  IconKey,
  IconLayoutDashboard,
  IconListDetails,
  IconLock,
  IconRoute,
  IconSettings,
  IconShield,
  IconUsers,
} from '@tabler/icons-react';
import { t } from '@texts/shell';
import type { ComponentType } from 'react';
import type { Action } from '../../../contracts/index.js';

export interface Place {
  label: string;
  /** An address of the router's, below `/org/$org`. What has no route yet is not shown: write the route, and it is. */
  path: string;
  /** What one must be allowed for it to be of any use; undefined: only to belong to the organization. */
  action?: Action;
  /** Carries the number of sites that wait for approval. */
  countsPending?: boolean;
}

export interface Section {
  label?: string;
  icon: ComponentType<{ size?: number }>;
  places: Place[];
}

const { places, sections } = t;

/** The navigation of an organization, in its order. */
export const SECTIONS: readonly Section[] = [
  { icon: IconLayoutDashboard, places: [{ label: places.overview, path: '/', action: 'listSites' }] },
  {
    label: sections.sites,
    icon: IconDeviceDesktop,
    places: [
      { label: places.sites, path: '/sites', action: 'listSites' },
      { label: places.groups, path: '/sites/groups', action: 'listGroups' },
    ],
  },
  {
    label: sections.provisioning,
    icon: IconKey,
    places: [
      { label: places.pending, path: '/provisioning/pending', action: 'listSites', countsPending: true },
      { label: places.keys, path: '/provisioning/keys', action: 'listSiteProvisioningKeys' },
      { label: places.claims, path: '/provisioning/claims', action: 'listClaims' },
      { label: places.templates, path: '/provisioning/templates', action: 'listProvisioningTemplates' },
      { label: places.blocked, path: '/provisioning/blocked', action: 'listTombstones' },
    ],
  },
  {
    label: sections.resources,
    icon: IconRoute,
    places: [
      { label: places.publicResources, path: '/resources/public', action: 'listResources' },
      { label: places.privateResources, path: '/resources/private', action: 'listSiteResources' },
      { label: places.domains, path: '/resources/domains', action: 'listOrgDomains' },
      { label: places.blueprints, path: '/resources/blueprints', action: 'listBlueprints' },
    ],
  },
  {
    label: sections.configuration,
    icon: IconBox,
    places: [
      { label: places.secrets, path: '/configuration/secrets', action: 'listSecrets' },
      { label: places.bundles, path: '/configuration/bundles', action: 'listSites' },
      { label: places.startUp, path: '/configuration/start-up', action: 'listProvisioningProfiles' },
      { label: places.rotations, path: '/configuration/rotations', action: 'listSites' },
    ],
  },
  {
    label: sections.access,
    icon: IconUsers,
    places: [
      { label: places.people, path: '/access/people', action: 'listUsers' },
      { label: places.invitations, path: '/access/invitations', action: 'listInvitations' },
      { label: places.roles, path: '/access/roles', action: 'listRoles' },
      { label: places.apiKeys, path: '/access/api-keys', action: 'listApiKeys' },
      { label: places.clients, path: '/access/clients', action: 'listClients' },
      { label: places.shareLinks, path: '/access/share-links', action: 'listAccessTokens' },
    ],
  },
  {
    label: sections.logs,
    icon: IconClipboardList,
    places: [
      { label: places.audit, path: '/logs/audit', action: 'listAudit' },
      { label: places.requests, path: '/logs/requests', action: 'viewLogs' },
      { label: places.logins, path: '/logs/logins', action: 'exportLogs' },
      { label: places.events, path: '/logs/events', action: 'listEvents' },
    ],
  },
  { icon: IconListDetails, places: [{ label: places.jobs, path: '/jobs', action: 'listJobs' }] },
  { icon: IconSettings, places: [{ label: places.settings, path: '/settings', action: 'getOrg' }] },
  { icon: IconLock, places: [{ label: places.myResources, path: '/my-resources' }] },
];

/** Places above all organizations. */
export const ABOVE = {
  orgs: { label: t.allOrganizations, icon: IconBuilding },
  server: { label: places.server, icon: IconShield },
};
