// The grant of resources: which resource ids of a type a subscription covers. Absent means none.

/** From resource type (such as `account`) to the ids that are granted, or `*` for every id of that type. */
export interface ResourceGrants {
	readonly [resourceType: string]: readonly string[] | '*';
}

/** One resource that a request touches, read from the place that the operation's resource rule names. */
export interface RequestedResource {
	readonly type: string;
	readonly id: string;
}
