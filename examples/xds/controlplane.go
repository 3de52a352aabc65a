package main

import (
	"context"
	"fmt"
	"net"
	"time"

	cluster "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpoint "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listener "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	router "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	hcm "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	"github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"github.com/envoyproxy/go-control-plane/pkg/server/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/xds"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// serviceName is what clients of the mesh dial, as xds:///function.
const serviceName = "function"

const (
	nodeID   = "client"
	attempts = 3 // that the route's policy allows, the first included
)

// controlPlane serves the configuration of a mesh with one service, at that address, and
// returns the resolver of a client in it. The route repeats calls that fail with one of the
// gRPC codes of retryOn, in Envoy's spelling, and may drop all.
func controlPlane(ctx context.Context, service *net.TCPAddr, retryOn string, drops bool) (resolver.Builder, func(), error) {
	resources, err := meshOf(service, retryOn, drops)
	if err != nil {
		return nil, nil, err
	}
	snapshot, err := cache.NewSnapshot("1", resources)
	if err != nil {
		return nil, nil, err
	}
	snapshots := cache.NewSnapshotCache(true, cache.IDHash{}, nil)
	if err := snapshots.SetSnapshot(ctx, nodeID, snapshot); err != nil {
		return nil, nil, err
	}
	srv := grpc.NewServer()
	discovery.RegisterAggregatedDiscoveryServiceServer(srv, server.NewServer(ctx, snapshots, nil))
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	go func() { _ = srv.Serve(lis) }() // ends with Stop
	// Programs outside of tests get this file by the variable GRPC_XDS_BOOTSTRAP, and import
	// google.golang.org/grpc/xds for its resolver.
	builder, err := xds.NewXDSResolverWithConfigForTesting(fmt.Appendf(nil, `{
		"xds_servers": [{"server_uri": %q, "channel_creds": [{"type": "insecure"}], "server_features": ["xds_v3"]}],
		"node": {"id": %q}
	}`, lis.Addr(), nodeID))
	if err != nil {
		srv.Stop()
		return nil, nil, err
	}
	return builder, srv.Stop, nil
}

// meshOf returns the resources of the mesh: a listener with its route, a cluster, and the
// one endpoint of it.
func meshOf(service *net.TCPAddr, retryOn string, drops bool) (map[resource.Type][]types.Resource, error) {
	filter, err := anypb.New(new(router.Router))
	if err != nil {
		return nil, err
	}
	manager, err := anypb.New(&hcm.HttpConnectionManager{
		RouteSpecifier: &hcm.HttpConnectionManager_RouteConfig{RouteConfig: &route.RouteConfiguration{
			Name: serviceName,
			VirtualHosts: []*route.VirtualHost{{
				Name:    serviceName,
				Domains: []string{"*"},
				Routes: []*route.Route{{
					Match: &route.RouteMatch{PathSpecifier: &route.RouteMatch_Prefix{Prefix: "/"}},
					Action: &route.Route_Route{Route: &route.RouteAction{
						ClusterSpecifier: &route.RouteAction_Cluster{Cluster: serviceName},
						RetryPolicy: &route.RetryPolicy{
							RetryOn:      retryOn,
							NumRetries:   wrapperspb.UInt32(attempts - 1),
							RetryBackOff: &route.RetryPolicy_RetryBackOff{BaseInterval: durationpb.New(time.Millisecond)},
						},
					}},
				}},
			}},
		}},
		HttpFilters: []*hcm.HttpFilter{{Name: "router", ConfigType: &hcm.HttpFilter_TypedConfig{TypedConfig: filter}}},
	})
	if err != nil {
		return nil, err
	}
	address := &core.Address{Address: &core.Address_SocketAddress{SocketAddress: &core.SocketAddress{
		Address:       service.IP.String(),
		PortSpecifier: &core.SocketAddress_PortValue{PortValue: uint32(service.Port)},
	}}}
	assignment := &endpoint.ClusterLoadAssignment{
		ClusterName: serviceName,
		Endpoints: []*endpoint.LocalityLbEndpoints{{
			Locality:            &core.Locality{Region: "here"},
			LoadBalancingWeight: wrapperspb.UInt32(1),
			LbEndpoints: []*endpoint.LbEndpoint{{HostIdentifier: &endpoint.LbEndpoint_Endpoint{
				Endpoint: &endpoint.Endpoint{Address: address},
			}}},
		}},
	}
	if drops {
		assignment.Policy = &endpoint.ClusterLoadAssignment_Policy{
			DropOverloads: []*endpoint.ClusterLoadAssignment_Policy_DropOverload{{
				Category:       "all",
				DropPercentage: &typev3.FractionalPercent{Numerator: 100, Denominator: typev3.FractionalPercent_HUNDRED},
			}},
		}
	}
	overADS := &core.ConfigSource{ConfigSourceSpecifier: &core.ConfigSource_Ads{Ads: new(core.AggregatedConfigSource)}}
	return map[resource.Type][]types.Resource{
		resource.ListenerType: {&listener.Listener{Name: serviceName, ApiListener: &listener.ApiListener{ApiListener: manager}}},
		resource.ClusterType: {&cluster.Cluster{
			Name:                 serviceName,
			ClusterDiscoveryType: &cluster.Cluster_Type{Type: cluster.Cluster_EDS},
			EdsClusterConfig:     &cluster.Cluster_EdsClusterConfig{EdsConfig: overADS},
		}},
		resource.EndpointType: {assignment},
	}, nil
}
