import { Column, CreateDateColumn, Entity, PrimaryGeneratedColumn } from 'typeorm';

/** A named set of sites, for filters and fleets. */
@Entity('site_group')
export class SiteGroup {
  @PrimaryGeneratedColumn({ type: 'int8' }) groupId: number;
  @Column('text') orgId: string;
  @Column('text') name: string;
  @Column('text', { nullable: true }) description: string | null;
  @CreateDateColumn({ type: 'timestamptz' }) createdAt: Date;
}
