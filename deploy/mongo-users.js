// The image of MongoDB runs this on an empty database. It creates the users for migrations (owner) and for the
// application (docs/security.md).
const clinic = db.getSiblingDB("arthomed");
clinic.createRole({ role: "arthomed-app", privileges: [], roles: [] }); // `flask database-role` fills it
clinic.createUser({ user: "owner", pwd: process.env.MONGO_OWNER_PASSWORD, roles: ["dbOwner"] });
clinic.createUser({ user: "application", pwd: process.env.MONGO_APPLICATION_PASSWORD, roles: ["arthomed-app"] });
