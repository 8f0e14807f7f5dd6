// Run once by the image of MongoDB, on an empty database: who migrates, and who serves (docs/security.md).
const clinic = db.getSiblingDB("arthomed");
clinic.createRole({ role: "arthomed-app", privileges: [], roles: [] }); // `flask database-role` fills it
clinic.createUser({ user: "owner", pwd: process.env.MONGO_OWNER_PASSWORD, roles: ["dbOwner"] });
clinic.createUser({ user: "application", pwd: process.env.MONGO_APPLICATION_PASSWORD, roles: ["arthomed-app"] });
