"""How the platform is deployed: the native stack, the migrations, and the description for Docker."""
