"""What mail and CRM rules mean; pure, without files, sockets, clocks or terminals."""
